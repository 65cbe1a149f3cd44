// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "daemonize.h"
#include "events.h"
#include "helper.h"
#include "log.h"
#include "notify.h"
#include "privs.h"
#include "ring.h"

enum { UNDO_PAUSE_S = 10 }; /* after one that failed */

static const char *const order_names[] = {
	[HELPER_START] = "start", [HELPER_RELOAD] = "reload", [HELPER_CONFIRM] = "confirm",
	[HELPER_UNDO] = "undo", [HELPER_STOP] = "stop", [HELPER_DETACH] = "detach",
	[HELPER_LEAVE] = "leave",
};

static const char *const word_names[] = {
	[HELPER_LINE] = "line", [HELPER_VIEW] = "view", [HELPER_LOG] = "log",
	[HELPER_STATUS] = "status", [HELPER_DONE] = "done",
};

struct running {
	const struct loop *loop;
	struct view *view;     /* NULL before there is something to look at */
	struct events *events;
	struct ring *ring;
	int epoll, timer;
	int ring_fd;           /* −1: none yet */
	bool leaving;          /* the helper was told to end */
	bool undoing;          /* the helper was told that a trial is over */
	__u64 undo_next_ns;    /* CLOCK_MONOTONIC: when to tell it again; 0: not at all */
	bool reloading;        /* the helper was told to reload */
	bool reload_again;     /* and that was asked for once more, */
	unsigned int reload_s; /* to be confirmed within */
	bool over;
	enum loop_end end;
};

int loop_signals(void)
{
	static const int served[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(served) / sizeof(*served); i++)
		sigaddset(&set, served[i]);
	/* Whoever read the log may go; knockd must not go with it. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void loop_fail(struct running *r, const char *what, int error)
{
	log_line("%s: %s", what, strerror(-error));
	r->end = LOOP_FAILED;
	r->over = true;
}

/* Wake up when something is next due; with nothing due, never. */
static void timer_set(const struct running *r)
{
	__u64 next = r->undoing ? r->undo_next_ns :
		     r->events && !r->leaving ? events_next_ns(r->events) : 0;
	__u64 names = log_next_ns();
	struct itimerspec when = {};

	if (names && (!next || names < next))
		next = names;
	when.it_value = (struct timespec){ next / 1000000000, next % 1000000000 };
	timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int loop_add(const struct running *r, int fd, __u32 events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void helper_tell(struct running *r, enum helper_order order, unsigned int argument)
{
	int error;

	if (r->leaving)
		return;
	log_debug("to the helper: %s, argument %u", order_names[order], argument);
	r->leaving = order == HELPER_STOP || order == HELPER_DETACH || order == HELPER_LEAVE;
	error = helper_ask(r->loop->channel, order, argument);
	if (error)
		loop_fail(r, "cannot reach the helper", error);
}

/* One reload at a time; however often it is asked for meanwhile, one more. */
static void reload_ask(struct running *r, unsigned int confirm_s)
{
	r->reload_s = confirm_s;
	r->reload_again = r->reloading;
	if (r->reloading)
		return;
	r->reloading = true;
	notify_send(r->loop->notify, "STATUS=reloading");
	helper_tell(r, HELPER_RELOAD, confirm_s);
}

/* ---- what the helper says ---- */

/* The events are the same for as long as knockd lives: only the first ring is taken. */
static int events_begin(struct running *r, int *fd, size_t size)
{
	int error = ring_open(&r->ring, *fd, size, true);

	if (error)
		return error;
	r->events = events_new(r->view);
	if (!r->events)
		return -ENOMEM;
	r->ring_fd = *fd;
	*fd = -1;
	error = loop_add(r, r->ring_fd, EPOLLIN);
	if (!error)
		error = privs_seal(&(struct failure){});
	if (!error)
		log_debug("from here on no memory can be mapped that is shared and writable");
	return error;
}

static void view_take(struct running *r, const struct helper_message *message,
		      int descriptor[HELPER_DESCRIPTORS])
{
	struct view_map part[VIEW_PARTS];
	struct view *view;
	int error;

	for (int i = 0; i < VIEW_PARTS; i++)
		part[i] = (struct view_map){ descriptor[i], message->size[i] };
	error = view_open(&view, part);
	if (!error) {
		view_close(r->view);
		r->view = view;
		if (!r->events)
			error = events_begin(r, &descriptor[VIEW_PARTS], message->size[VIEW_PARTS]);
		if (!error)
			events_look(r->events, view, message->flag);
	}
	if (error)
		loop_fail(r, "cannot look at the tables", error);
}

static void undo_done(struct running *r, const struct helper_message *message)
{
	r->undoing = message->status && message->status != -ENOENT;
	if (message->status == -ENOENT) {
		r->end = LOOP_UNCONFIRMED;
		r->over = true;
	} else if (message->status) {
		r->undo_next_ns = now_ns() + UNDO_PAUSE_S * 1000000000ULL;
		log_line("the config that was not confirmed cannot be exchanged, but it judges no "
			 "more: %s; trying again in %d s", message->text, UNDO_PAUSE_S);
	}
}

static void start_done(struct running *r, const struct helper_message *message)
{
	if (message->status) {
		fprintf(stderr, "knockd: %s\n", message->text);
		r->end = LOOP_FAILED;
		r->over = true;
		return;
	}
	notify_send(r->loop->notify, "READY=1");
	daemonize_ready();
}

static void order_done(struct running *r, const struct helper_message *message)
{
	switch (message->order) {
	case HELPER_START:
		start_done(r, message);
		break;
	case HELPER_RELOAD:
		r->reloading = false;
		if (r->reload_again)
			reload_ask(r, r->reload_s);
		break;
	case HELPER_UNDO:
		undo_done(r, message);
		break;
	case HELPER_CONFIRM:
		log_line(message->status ? "confirmed, but it goes on looking at the time: %s" :
			 "the config is confirmed%s", message->text);
		break;
	case HELPER_STOP:
	case HELPER_DETACH:
	case HELPER_LEAVE:
		log_detail("closing...");
		r->over = true;
		break;
	}
}

static void message_debug(const struct helper_message *message)
{
	__u32 words = sizeof(word_names) / sizeof(*word_names);

	log_debug("from the helper: %s, order %u, status %d, flag %u",
		  message->word < words ? word_names[message->word] : "?", message->order,
		  message->status, message->flag);
}

static void helper_serve(struct running *r)
{
	struct helper_message message;
	int descriptor[HELPER_DESCRIPTORS];
	int got = helper_hear(r->loop->channel, &message, descriptor);

	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		loop_fail(r, "the privileged helper has ended; what is in force stays",
			  got ? got : -EPIPE);
		return;
	}
	message_debug(&message);
	switch (message.word) {
	case HELPER_LINE:
		if (message.flag)
			log_detail("%s", message.text);
		else
			log_line("%s", message.text);
		break;
	case HELPER_VIEW:
		view_take(r, &message, descriptor);
		break;
	case HELPER_LOG:
		log_to(message.flag, descriptor[0]);
		descriptor[0] = -1;
		break;
	case HELPER_STATUS:
		notify_send(r->loop->notify, "STATUS=%s", message.text);
		break;
	case HELPER_DONE:
		order_done(r, &message);
		break;
	}
	for (int i = 0; i < HELPER_DESCRIPTORS; i++)
		if (descriptor[i] >= 0)
			close(descriptor[i]);
}

/* ---- signals and events ---- */

static void stop_ask(struct running *r)
{
	log_line("shutting down");
	notify_send(r->loop->notify, "STOPPING=1");
	helper_tell(r, HELPER_STOP, 0);
}

static void signal_serve(struct running *r)
{
	struct signalfd_siginfo info;

	if (read(r->loop->signals, &info, sizeof(info)) != sizeof(info))
		return;
	log_debug("signal %u", info.ssi_signo);
	/* It has been told to end already. */
	if (r->leaving)
		return;
	switch (info.ssi_signo) {
	case SIGHUP:
		reload_ask(r, r->loop->confirm_s);
		break;
	case SIGUSR1:
		log_line("leaving; what is in force stays");
		notify_send(r->loop->notify, "STOPPING=1");
		helper_tell(r, HELPER_LEAVE, 0);
		break;
	default:
		stop_ask(r);
		break;
	}
}

static void events_serve(struct running *r)
{
	struct events_wish wish;

	/* Openings first: an expiry may be of one that has been renewed. */
	ring_read(r->ring, events_handle, r->events, NULL);
	events_expire(r->events);
	wish = events_wish(r->events);
	if (wish.detach)
		helper_tell(r, HELPER_DETACH, 0);
	if (wish.reload)
		reload_ask(r, wish.reload_s);
	if (r->undoing && (!r->undo_next_ns || r->undo_next_ns > now_ns()))
		return;
	if (wish.confirmed)
		helper_tell(r, HELPER_CONFIRM, 0);
	r->undoing = wish.expired;
	r->undo_next_ns = 0;
	if (wish.expired)
		helper_tell(r, HELPER_UNDO, 0);
}

static int loop_begin(struct running *r)
{
	int error;

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->epoll < 0 || r->timer < 0)
		return -errno;
	error = loop_add(r, r->loop->channel, EPOLLIN);
	if (!error)
		error = loop_add(r, r->loop->signals, EPOLLIN);
	/* The helper has copies of these two: closing them here does not end the watch. */
	if (!error && log_fd() >= 0)
		error = loop_add(r, log_fd(), EPOLLIN | EPOLLET);
	if (!error && daemonize_fd() >= 0)
		error = loop_add(r, daemonize_fd(), EPOLLET);
	return error ? error : loop_add(r, r->timer, EPOLLIN);
}

/* Who started us into the background was told to end before we had started. */
static void parent_lost(struct running *r)
{
	if (!r->leaving)
		stop_ask(r);
}

static void loop_step(struct running *r)
{
	struct epoll_event ready;
	int count = epoll_wait(r->epoll, &ready, 1, -1);
	__u64 expirations;

	if (count < 0 && errno != EINTR)
		loop_fail(r, "cannot wait for events", -errno);
	if (count < 1)
		return;
	if (ready.data.fd == r->loop->channel)
		helper_serve(r);
	else if (ready.data.fd == r->loop->signals)
		signal_serve(r);
	else if (ready.data.fd == daemonize_fd())
		parent_lost(r);
	else if (ready.data.fd == r->timer &&
		 read(r->timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		loop_fail(r, "cannot read the timer", -errno);
	if (r->events && !r->over)
		events_serve(r);
	log_serve();
	timer_set(r);
}

enum loop_end loop_run(const struct loop *loop)
{
	struct running r = { .loop = loop, .epoll = -1, .timer = -1, .ring_fd = -1 };
	struct failure failure = { "cannot wait for events" };
	int error = loop_begin(&r);

	/* What is needed later is there, or comes from the helper. */
	if (!error)
		error = privs_drop(&failure);
	if (error)
		loop_fail(&r, failure.text, error);
	else
		log_debug("capabilities: none, nor new ones; system calls: filtered");
	while (!r.over)
		loop_step(&r);
	events_free(r.events);
	ring_close(r.ring);
	view_close(r.view);
	close(r.epoll);
	close(r.timer);
	return r.end;
}
