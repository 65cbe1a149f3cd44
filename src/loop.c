// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "log.h"

int loop_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Whoever read the log may go; knockd must not go with it. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Wake up when the next grant ends; with none open, never. */
static void timer_set(int timer, const struct events *events)
{
	__u64 next = events_next_ns(events);
	struct itimerspec when = {
		.it_value = { .tv_sec = next / 1000000000, .tv_nsec = next % 1000000000 },
	};

	timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Return: 0, or −ENODEV when the guarded device is no longer there. */
static int devices_changed(struct datapath *dp, int watch)
{
	struct devices devices = {};
	int error;

	devices_watch_drain(watch);
	error = devices_read(&devices);
	if (!error)
		error = datapath_surroundings(dp, &devices);
	if (error && error != -ENODEV)
		log_line("cannot follow a change of network devices: %s", strerror(-error));
	devices_free(&devices);
	return error == -ENODEV ? error : 0;
}

/* Whether to go on. */
static bool signal_serve(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo == SIGHUP) {
		log_line("SIGHUP: reloading is not supported yet; the config in force stays");
		return true;
	}
	return false;
}

static int loop_add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int loop_run(struct datapath *dp, struct events *events, int signals, int watch)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), ring = datapath_events_fd(dp), error = 0;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	bool running = true;

	if (epoll < 0 || timer < 0)
		error = -errno;
	if (!error)
		error = loop_add(epoll, signals);
	if (!error)
		error = loop_add(epoll, watch);
	if (!error)
		error = loop_add(epoll, ring);
	if (!error)
		error = loop_add(epoll, timer);
	/* What changed between the first look and the watch. */
	if (!error)
		error = devices_changed(dp, watch);
	while (running && !error) {
		struct epoll_event ready;
		int count = epoll_wait(epoll, &ready, 1, -1);
		__u64 expirations;

		if (count < 0 && errno != EINTR)
			error = -errno;
		if (count < 1)
			continue;
		if (ready.data.fd == signals)
			running = signal_serve(signals);
		else if (ready.data.fd == watch)
			error = devices_changed(dp, watch);
		else if (ready.data.fd == timer &&
			 read(timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
			error = -errno;
		/* Openings first: an expiry may be of one that has been renewed. */
		if (datapath_events(dp) < 0)
			log_line("cannot read events");
		events_expire(events);
		timer_set(timer, events);
	}
	if (timer >= 0)
		close(timer);
	if (epoll >= 0)
		close(epoll);
	return error;
}
