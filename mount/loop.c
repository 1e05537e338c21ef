/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop, over epoll. */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NEVER INT64_MAX

/* What ends sooner than that, in ms, would end again and again. */
#define SETTLED 10000

enum source {
	SOURCE_SIGNAL,
	SOURCE_JOBS,
	SOURCE_TIMER,
	SOURCE_FS,
	SOURCE_NUDGER,
	SOURCE_COUNT
};

struct run {
	struct loop *loop;
	int epoll;
	int signals;
	int timer;
	int64_t armed;		/* when the timer goes off; NEVER: it does not */
	bool stop;
};

int64_t loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
}

void loop_block_signals(void)
{
	sigset_t set;

	fill_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Who is to unmount does that, whatever else there is. */
static void end(struct run *run, bool leave)
{
	run->loop->leaves = leave && (run->loop->leaves || !run->stop);
	run->stop = true;
}

static int take_signal(struct run *run, struct error *err)
{
	struct signalfd_siginfo info;

	if (read(run->signals, &info, sizeof info) != sizeof info)
		return 0;
	if (info.ssi_signo == SIGHUP)
		run->loop->reload(run->loop);
	else
		end(run, info.ssi_signo == SIGUSR1);
	return 0;
}

static int take_jobs(struct run *run, struct error *err)
{
	workers_finish_jobs(run->loop->workers);
	return 0;
}

/* What is due has been done by world_tick at the start of the round. */
static int take_timer(struct run *run, struct error *err)
{
	uint64_t times;
	ssize_t did = read(run->timer, &times, sizeof times);

	/* ECANCELED: somebody set the clock. */
	if (did > 0 || errno == ECANCELED)
		run->armed = NEVER;
	return 0;
}

static int take_requests(struct run *run, struct error *err)
{
	int rc = fs_serve(run->loop->fs, err);

	if (rc == -ENODEV) {
		log_print(run->loop->log, LOG_INFO, "unmounted from outside");
		run->stop = true;
		rc = 0;
	}
	return rc;
}

/* What it can do now, and by whom the tree is to know it. */
static void hand_over_nudger(struct run *run)
{
	struct nudger *n = run->loop->nudger;

	fs_set_nudger(run->loop->fs, n->socket < 0 ? 0 : n->pid);
}

static int take_nudges(struct run *run, struct error *err)
{
	int rc = nudger_receive(run->loop->nudger, loop_now());

	if (rc >= 0) {
		fs_nudged(run->loop->fs, (unsigned)rc);
		return 0;
	}
	log_print(run->loop->log, LOG_WARNING, "the nudger has ended: inotify "
		  "events are late until it runs again");
	hand_over_nudger(run);
	return 0;
}

static int (*const takers[SOURCE_COUNT])(struct run *, struct error *) = {
	[SOURCE_SIGNAL] = take_signal,
	[SOURCE_JOBS] = take_jobs,
	[SOURCE_TIMER] = take_timer,
	[SOURCE_FS] = take_requests,
	[SOURCE_NUDGER] = take_nudges,
};

/* Sets the timer to the world's next deadline, if it is not set to it. */
static void arm(struct run *run)
{
	int64_t due = world_due(run->loop->world);
	struct itimerspec when = {{0}, {0}};

	if (run->loop->fs && run->loop->nudger->due < due)
		due = run->loop->nudger->due;
	if (run->loop->metrics && metrics_file_due(run->loop->metrics) < due)
		due = metrics_file_due(run->loop->metrics);
	if (due == run->armed)
		return;
	if (due != NEVER) {
		when.it_value.tv_sec = due / 1000;
		when.it_value.tv_nsec = due % 1000 * 1000000;
		if (due <= 0)	/* zero would mean never */
			when.it_value = (struct timespec){.tv_nsec = 1};
	}
	timerfd_settime(run->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			&when, NULL);
	run->armed = due;
}

static int watch(struct run *run, enum source source, int fd, struct error *err)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};

	if (fd < 0 || epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		return fail(err, errno, "can't watch for events: %m");
	return 0;
}

static bool send_nudge(void *ctx, enum fs_nudge what, const char *path)
{
	static const char deeds[] = {
		[NUDGE_FILE] = NUDGER_TOUCH,
		[NUDGE_MADE] = NUDGER_MKDIR,
		[NUDGE_GONE] = NUDGER_RMDIR,
	};

	return nudger_send(ctx, deeds[what], path);
}

static int watch_nudger(struct run *run, struct error *err)
{
	hand_over_nudger(run);
	return watch(run, SOURCE_NUDGER, run->loop->nudger->socket, err);
}

static int watch_all(struct run *run, struct error *err)
{
	sigset_t set;
	int rc;

	fill_signals(&set);
	run->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	run->timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	run->epoll = epoll_create1(EPOLL_CLOEXEC);

	rc = watch(run, SOURCE_SIGNAL, run->signals, err);
	if (rc == 0)
		rc = watch(run, SOURCE_TIMER, run->timer, err);
	if (rc == 0)
		rc = watch(run, SOURCE_JOBS, workers_fd(run->loop->workers),
			   err);
	if (rc == 0 && run->loop->fs)
		rc = watch(run, SOURCE_FS, fs_fd(run->loop->fs), err);
	if (rc == 0 && run->loop->fs)
		rc = watch_nudger(run, err);
	return rc;
}

/* Another one would have no rights: the next daemon's has them. */
static void succeed_nudger(struct run *run)
{
	struct nudger *n = run->loop->nudger;
	int64_t now = loop_now();

	n->due = n->started + SETTLED;
	if (now >= n->started && now < n->due)
		return;
	log_print(run->loop->log, LOG_WARNING, "the nudger has ended: the next "
		  "daemon has the rights for another one");
	end(run, true);
}

/* Without it all goes on as before, but inotify. */
static void tick_nudger(struct run *run)
{
	struct error err;
	int rc;

	if (run->loop->needs_nudger && run->loop->nudger->socket < 0) {
		succeed_nudger(run);
		return;
	}
	rc = nudger_tick(run->loop->nudger, world_now(run->loop->world), &err);
	if (rc > 0)
		rc = watch_nudger(run, &err);
	if (rc < 0)
		log_print(run->loop->log, LOG_WARNING,
			  "there are no inotify events: %s", err.msg);
}

/* One round: everybody who has something gets a turn. */
static int round_once(struct run *run, struct error *err)
{
	struct epoll_event events[SOURCE_COUNT];
	int i, count, rc = 0;

	arm(run);
	count = epoll_wait(run->epoll, events, SOURCE_COUNT, -1);
	if (count < 0 && errno != EINTR)
		return fail(err, errno, "can't wait for events: %m");
	world_tick(run->loop->world, loop_now());
	for (i = 0; i < count && rc == 0; i++)
		rc = takers[events[i].data.u32](run, err);
	if (run->loop->metrics)
		metrics_file_tick(run->loop->metrics,
				  world_now(run->loop->world));
	if (!run->loop->fs)
		return rc;
	tick_nudger(run);
	/* Last, so that what has changed is there and writers are answered. */
	fs_nudge(run->loop->fs, send_nudge, run->loop->nudger);
	return rc;
}

int loop_run(struct loop *loop, struct error *err)
{
	struct run run = {.loop = loop, .armed = NEVER};
	int rc = watch_all(&run, err);

	while (rc == 0 && !run.stop)
		rc = round_once(&run, err);
	if (run.epoll >= 0)
		close(run.epoll);
	if (run.timer >= 0)
		close(run.timer);
	if (run.signals >= 0)
		close(run.signals);
	return rc;
}
