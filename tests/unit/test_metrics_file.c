/* SPDX-License-Identifier: Apache-2.0 */
/* A controller's metrics.prom: when it is written, and what can go wrong. */
#include "metrics_file.h"
#include "suite.h"

#include <check.h>
#undef fail /* ours, not that of Check */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD 15000
#define START 1000000

struct scene {
	struct jobs jobs;		/* first: they are cast */
	struct job *waits;		/* the one that was submitted */
	struct log log;
	struct metrics_file m;
	char dir[64];
	int turn;			/* what the text says */
	int failure;			/* of its making */
	int said[2];			/* a pipe: the log */
	char lines[1 << 14];		/* what came by it */
};

static struct scene s;

static void submit(struct jobs *jobs, struct job *job)
{
	ck_assert_ptr_null(((struct scene *)jobs)->waits);
	ck_assert_int_eq(job->lane, LANE_AUDIT);
	((struct scene *)jobs)->waits = job;
}

static void render(void *ctx, struct buf *out)
{
	struct scene *scene = ctx;

	buf_printf(out, "turn %d\n", ++scene->turn);
	out->failed = scene->failure;
}

static void path_of(const char *name, char out[static PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", s.dir, name);
}

static void setup(void)
{
	s = (struct scene){
		.jobs = {.submit = submit},
		.dir = "/tmp/uvr-metrics-XXXXXX",
		.m = {.dir = s.dir, .render = render, .ctx = &s,
		      .jobs = &s.jobs, .log = &s.log},
	};
	ck_assert_ptr_nonnull(mkdtemp(s.dir));
	ck_assert_int_eq(pipe2(s.said, O_NONBLOCK | O_CLOEXEC), 0);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", s.dir);
	ck_assert_int_eq(system(command), 0);
	close(s.said[0]);
	close(s.said[1]);
}

/* With the log in the pipe: sanitizers have stderr to themselves. */
static void finish(void)
{
	struct job *job = s.waits;
	int kept = dup(STDERR_FILENO);

	ck_assert_ptr_nonnull(job);
	s.waits = NULL;
	job->run(job);
	ck_assert_int_eq(dup2(s.said[1], STDERR_FILENO), STDERR_FILENO);
	job->done(job);
	ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(kept);
}

static void tick(int64_t now)
{
	metrics_file_tick(&s.m, now);
	if (s.waits)
		finish();
}

/* The number in the file; 0 without one. */
static int shown(void)
{
	char path[PATH_MAX];
	int turn = 0;
	FILE *f;

	path_of("metrics.new", path);
	ck_assert_int_ne(access(path, F_OK), 0);
	path_of("metrics.prom", path);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "turn %d\n", &turn) != 1)
		turn = -1;
	fclose(f);
	return turn;
}

/* How often the log has said that. */
static int said(const char *what)
{
	size_t have = strlen(s.lines);
	char *p = s.lines;
	int count = 0;
	ssize_t n;

	n = read(s.said[0], p + have, sizeof s.lines - 1 - have);
	ck_assert(n > 0 || errno == EAGAIN);
	for (; (p = strstr(p, what)); p++)
		count++;
	return count;
}

START_TEST(at_once_and_every_period)
{
	ck_assert_int_lt(metrics_file_due(&s.m), START);
	tick(START);
	ck_assert_int_eq(shown(), 1);
	ck_assert_int_eq(metrics_file_due(&s.m), START + PERIOD);
	tick(START + PERIOD - 1);
	ck_assert_int_eq(shown(), 1);
	tick(START + PERIOD);
	ck_assert_int_eq(shown(), 2);
	ck_assert_int_eq(said("\n"), 0);
}
END_TEST

/* A disk that takes its time is given nothing more to do. */
START_TEST(one_at_a_time)
{
	metrics_file_tick(&s.m, START);
	ck_assert_int_eq(metrics_file_due(&s.m), INT64_MAX);
	metrics_file_tick(&s.m, START + 10 * PERIOD);
	ck_assert_int_eq(s.turn, 1);
	finish();
	ck_assert_int_eq(metrics_file_due(&s.m), START + PERIOD);
	tick(START + 10 * PERIOD);
	ck_assert_int_eq(shown(), 2);
}
END_TEST

START_TEST(the_clock_is_set_back)
{
	tick(START);
	tick(START / 2);
	ck_assert_int_eq(shown(), 2);
	ck_assert_int_eq(metrics_file_due(&s.m), START / 2 + PERIOD);
}
END_TEST

/* Its state directory is open to others where it is a volume. */
START_TEST(all_may_read_it)
{
	char path[PATH_MAX];
	struct stat st;

	umask(022);
	tick(START);
	path_of("metrics.prom", path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(taken_away)
{
	char path[PATH_MAX];

	tick(START);
	path_of("metrics.new", path);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	metrics_file_remove(s.dir);
	ck_assert_int_eq(shown(), 0);
	metrics_file_remove("/nowhere");
}
END_TEST

/* ---- what can go wrong ---- */

static void no_directory(bool on)
{
	char away[PATH_MAX];

	snprintf(away, sizeof away, "%s-away", s.dir);
	ck_assert_int_eq(on ? rename(s.dir, away) : rename(away, s.dir), 0);
}

static void not_a_file(const char *name, bool on)
{
	char path[PATH_MAX];

	path_of(name, path);
	if (on)
		unlink(path);
	ck_assert_int_eq(on ? mkdir(path, 0700) : rmdir(path), 0);
}

static void no_new_one(bool on)
{
	not_a_file("metrics.new", on);
}

static void not_in_its_place(bool on)
{
	not_a_file("metrics.prom", on);
}

/* As by a full disk: the first bytes find room. */
static void no_room(bool on)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = on ? 4 : limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void no_memory(bool on)
{
	s.failure = on ? ENOMEM : 0;
}

static const struct {
	void (*happens)(bool on);
	const char *why;
	bool removed;		/* the one that was there */
} faults[] = {
	{no_directory, "No such file or directory", false},
	{no_new_one, "Is a directory", true},
	{not_in_its_place, "Is a directory", true},
	{no_room, "File too large", true},
	{no_memory, "Cannot allocate memory", true},
};

START_TEST(said_once)
{
	char line[256];
	int i, turn;

	tick(START);
	faults[_i].happens(true);
	for (i = 1; i <= 3; i++)
		tick(START + i * PERIOD);
	faults[_i].happens(false);
	turn = s.turn;
	if (faults[_i].removed)
		ck_assert_int_eq(shown(), 0);
	snprintf(line, sizeof line, "can't write %s/metrics.prom: %s\n", s.dir,
		 faults[_i].why);
	ck_assert_int_eq(said(line), 1);
	ck_assert_int_eq(said("\n"), 1);

	tick(START + 4 * PERIOD);
	ck_assert_int_eq(shown(), turn + 1);
	ck_assert_int_eq(said("is written again\n"), 1);
	tick(START + 5 * PERIOD);
	ck_assert_int_eq(said("\n"), 2);

	/* Another time is another failure. */
	faults[_i].happens(true);
	tick(START + 6 * PERIOD);
	faults[_i].happens(false);
	ck_assert_int_eq(said(line), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics_file");
	TCase *when = tcase_create("when");
	TCase *wrong = tcase_create("wrong");

	tcase_add_checked_fixture(when, setup, teardown);
	tcase_add_test(when, at_once_and_every_period);
	tcase_add_test(when, one_at_a_time);
	tcase_add_test(when, the_clock_is_set_back);
	tcase_add_test(when, all_may_read_it);
	tcase_add_test(when, taken_away);
	suite_add_tcase(suite, when);
	tcase_add_checked_fixture(wrong, setup, teardown);
	tcase_add_loop_test(wrong, said_once, 0,
			    sizeof faults / sizeof *faults);
	suite_add_tcase(suite, wrong);
	return run_suite(suite);
}
