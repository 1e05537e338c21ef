/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that run jobs, and the two-way queue between them and the loop. */
#include "workers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_MAX 10

/* Saves must be in order, and lines; a hung array must not stop the others. */
static const unsigned lane_threads[LANE_COUNT] = {
	[LANE_STORE] = 1,
	[LANE_AUDIT] = 1,
	[LANE_BACKEND] = 8,
};

/* So many of them, and one of those that are not urgent has its turn. */
#define URGENT_IN_A_ROW 8

struct queue {
	struct job *head;
	struct job **tail;
};

struct lane_queue {
	struct workers *workers;
	struct queue urgent, later;
	unsigned row;			/* of urgent ones until now */
	pthread_cond_t more;
};

struct workers {
	struct jobs jobs;		/* first: what core holds */
	pthread_mutex_t lock;		/* protects all below but threads */
	struct lane_queue lanes[LANE_COUNT];
	struct queue done;
	unsigned pending;		/* submitted or posted, not yet done */
	bool stopping;
	int event;			/* eventfd: `done` is not empty */
	pthread_t threads[THREADS_MAX];
	unsigned thread_count;
};

static void queue_init(struct queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void queue_push(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
}

static struct job *queue_pop(struct queue *q)
{
	struct job *job = q->head;

	if (!job)
		return NULL;
	q->head = job->next;
	if (!q->head)
		q->tail = &q->head;
	return job;
}

/* Hands @job to the loop; with the lock held. */
static void give_back(struct workers *w, struct job *job)
{
	bool first = !w->done.head;
	ssize_t wrote = 0;
	uint64_t one = 1;

	queue_push(&w->done, job);
	if (first)
		wrote = write(w->event, &one, sizeof one);
	/* An eventfd that is read at once can't be full. */
	assert(wrote >= 0);
	(void)wrote;
}

static struct job *lane_pop(struct lane_queue *lane)
{
	struct job *job = NULL;

	if (lane->row < URGENT_IN_A_ROW || !lane->later.head)
		job = queue_pop(&lane->urgent);
	lane->row = job ? lane->row + 1 : 0;
	return job ? job : queue_pop(&lane->later);
}

/* The next job of the lane, waiting for it; NULL when the threads shall end. */
static struct job *next_job(struct lane_queue *lane)
{
	struct workers *w = lane->workers;
	struct job *job;

	while (!(job = lane_pop(lane)) && !w->stopping)
		pthread_cond_wait(&lane->more, &w->lock);
	return job;
}

static void *work(void *arg)
{
	struct lane_queue *lane = arg;
	struct workers *w = lane->workers;
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while ((job = next_job(lane))) {
		pthread_mutex_unlock(&w->lock);
		job->run(job);
		pthread_mutex_lock(&w->lock);
		give_back(w, job);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void submit(struct jobs *jobs, struct job *job)
{
	struct workers *w = (struct workers *)jobs;
	struct lane_queue *lane = &w->lanes[job->lane];

	pthread_mutex_lock(&w->lock);
	w->pending++;
	queue_push(job->urgent ? &lane->urgent : &lane->later, job);
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&w->lock);
}

static void hurry(struct jobs *jobs, struct job *job)
{
	struct workers *w = (struct workers *)jobs;
	struct lane_queue *lane = &w->lanes[job->lane];
	struct job **at = &lane->later.head;

	pthread_mutex_lock(&w->lock);
	while (*at && *at != job)
		at = &(*at)->next;
	if (*at) {
		*at = job->next;
		if (!*at)
			lane->later.tail = at;
		queue_push(&lane->urgent, job);
	}
	pthread_mutex_unlock(&w->lock);
}

static void post(struct jobs *jobs, struct job *job)
{
	struct workers *w = (struct workers *)jobs;

	pthread_mutex_lock(&w->lock);
	w->pending++;
	give_back(w, job);
	pthread_mutex_unlock(&w->lock);
}

static int start_lane(struct workers *w, enum lane which, struct error *err)
{
	unsigned i;
	int rc;

	for (i = 0; i < lane_threads[which]; i++) {
		rc = pthread_create(&w->threads[w->thread_count], NULL, work,
				    &w->lanes[which]);
		if (rc) {
			errno = rc;
			return fail(err, rc, "can't start a thread: %m");
		}
		w->thread_count++;
	}
	return 0;
}

/* Signals are the loop's: the threads are born with all of them blocked. */
static int start_threads(struct workers *w, struct error *err)
{
	sigset_t all, before;
	int i, rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; i < LANE_COUNT && rc == 0; i++)
		rc = start_lane(w, (enum lane)i, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

struct workers *workers_new(struct error *err)
{
	struct workers *w = calloc(1, sizeof *w);
	int i;

	if (!w) {
		fail(err, ENOMEM, "not enough memory");
		return NULL;
	}
	w->jobs = (struct jobs){.submit = submit, .hurry = hurry, .post = post};
	pthread_mutex_init(&w->lock, NULL);
	queue_init(&w->done);
	for (i = 0; i < LANE_COUNT; i++) {
		w->lanes[i].workers = w;
		queue_init(&w->lanes[i].urgent);
		queue_init(&w->lanes[i].later);
		pthread_cond_init(&w->lanes[i].more, NULL);
	}
	w->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->event < 0)
		fail(err, errno, "can't make an eventfd: %m");
	if (w->event < 0 || start_threads(w, err) < 0) {
		workers_free(w);
		return NULL;
	}
	return w;
}

struct jobs *workers_jobs(struct workers *w)
{
	return &w->jobs;
}

int workers_fd(const struct workers *w)
{
	return w->event;
}

/* Takes the list as it is: what comes back meanwhile has to wait its turn. */
static struct job *take_done(struct workers *w)
{
	struct job *list;
	uint64_t count;

	pthread_mutex_lock(&w->lock);
	if (read(w->event, &count, sizeof count) < 0)
		assert(errno == EAGAIN);
	list = w->done.head;
	queue_init(&w->done);
	pthread_mutex_unlock(&w->lock);
	return list;
}

void workers_finish_jobs(struct workers *w)
{
	struct job *job, *next;
	unsigned count = 0;

	for (job = take_done(w); job; job = next) {
		next = job->next;
		job->done(job);
		count++;
	}
	pthread_mutex_lock(&w->lock);
	w->pending -= count;
	pthread_mutex_unlock(&w->lock);
}

static bool is_idle(struct workers *w)
{
	bool idle;

	pthread_mutex_lock(&w->lock);
	idle = w->pending == 0;
	pthread_mutex_unlock(&w->lock);
	return idle;
}

void workers_drain(struct workers *w)
{
	struct pollfd back = {.fd = w->event, .events = POLLIN};

	while (!is_idle(w)) {
		poll(&back, 1, -1);
		workers_finish_jobs(w);
	}
}

void workers_free(struct workers *w)
{
	unsigned i;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	for (i = 0; i < LANE_COUNT; i++)
		pthread_cond_broadcast(&w->lanes[i].more);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < w->thread_count; i++)
		pthread_join(w->threads[i], NULL);
	for (i = 0; i < LANE_COUNT; i++)
		pthread_cond_destroy(&w->lanes[i].more);
	pthread_mutex_destroy(&w->lock);
	if (w->event >= 0)
		close(w->event);
	free(w);
}
