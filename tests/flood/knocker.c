/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Knocks from one source after another with sockets, as the knock client does, and tries to connect
 * from the last knock on:
 *
 *	knocker FIRST COUNT EVERY_MS GAP_MS PATIENCE_MS PORT KNOCK...
 *
 * A new source of 198.18.0.0/15, from number FIRST on, begins every EVERY_MS; GAP_MS are between
 * its knocks (PORT or PORT:udp). Prints a line a source: "open 0.123", the milliseconds from the
 * last knock sent to the first connection made, or "closed" when PATIENCE_MS are over.
 *
 * A connection attempt that gets no answer is not waited for: the kernel would repeat its SYN only
 * after a second. The next one follows soon, after a millisecond or an eighth of the time so far.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 1000, KNOCKS_MAX = 32, PENDING_MAX = 8 };

struct door {
	unsigned int port;
	unsigned int knocks;
	struct {
		unsigned int port;
		bool udp;
	} knock[KNOCKS_MAX];
};

enum state { KNOCKING, CONNECTING, OPENED, CLOSED };

/* Times are in ns of CLOCK_MONOTONIC. */
struct attempt {
	enum state state;
	unsigned int knocked;
	int64_t next_ns; /* when there is something to do */
	int64_t last_ns; /* when the last knock was sent, */
	int64_t open_ns; /* and when a connection was made */
	int pending[PENDING_MAX]; /* sockets that connect, the oldest is replaced; −1: none */
	unsigned int tried;
};

static struct door door;
static struct attempt attempts[COUNT_MAX];
static unsigned int first, count;
static int64_t gap_ns, patience_ns;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* A socket of this source that has begun to connect, or has sent a datagram, to the port. */
static int knock_send(unsigned int number, unsigned int port, bool udp)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);

	from.sin_addr.s_addr = htonl(0xc6120000U + number); /* 198.18.0.0/15 */
	to.sin_addr.s_addr = htonl(0xc0000201U);            /* 192.0.2.1 */
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
		perror("knocker");
		exit(1);
	}
	if (udp && send(fd, "", 0, 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS) {
		perror("knocker: send");
		exit(1);
	}
	return fd;
}

static void attempt_end(struct attempt *attempt, enum state state)
{
	for (unsigned int i = 0; i < PENDING_MAX; i++)
		if (attempt->pending[i] >= 0)
			close(attempt->pending[i]);
	attempt->state = state;
}

static void attempt_connect(struct attempt *attempt, unsigned int number, int64_t now)
{
	int *pending = &attempt->pending[attempt->tried++ % PENDING_MAX];
	int64_t pause = (now - attempt->last_ns) / 8;

	if (now - attempt->last_ns > patience_ns) {
		attempt_end(attempt, CLOSED);
		return;
	}
	if (*pending >= 0)
		close(*pending);
	*pending = knock_send(number, door.port, false);
	attempt->next_ns = now + (pause > 1000000 ? pause : 1000000);
}

static void attempt_go_on(struct attempt *attempt, unsigned int number)
{
	int64_t now = now_ns();

	if (now < attempt->next_ns)
		return;
	if (attempt->state == CONNECTING) {
		attempt_connect(attempt, number, now);
		return;
	}
	close(knock_send(number, door.knock[attempt->knocked].port,
			 door.knock[attempt->knocked].udp));
	attempt->next_ns = now + gap_ns;
	if (++attempt->knocked < door.knocks)
		return;
	attempt->state = CONNECTING;
	attempt->last_ns = now_ns();
	attempt_connect(attempt, number, attempt->last_ns);
}

/* What has become of a socket that connects. */
static void attempt_hear(struct attempt *attempt, int *pending)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (!getsockopt(*pending, SOL_SOCKET, SO_ERROR, &error, &size) && !error) {
		attempt->open_ns = now_ns();
		attempt_end(attempt, OPENED);
		return;
	}
	close(*pending);
	*pending = -1;
}

/* Waits until a socket has something to say or the next thing is to be done. */
static void attempts_wait(int64_t next_ns)
{
	static struct pollfd polled[COUNT_MAX * PENDING_MAX];
	static struct {
		struct attempt *attempt;
		int *pending;
	} of[COUNT_MAX * PENDING_MAX];
	int64_t rest = next_ns - now_ns();
	struct timespec timeout = {};
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct attempt *attempt = &attempts[i];

		for (unsigned int k = 0; attempt->state == CONNECTING && k < PENDING_MAX; k++) {
			if (attempt->pending[k] < 0)
				continue;
			polled[n] = (struct pollfd){ attempt->pending[k], POLLOUT, 0 };
			of[n].attempt = attempt;
			of[n++].pending = &attempt->pending[k];
		}
	}
	if (rest > 0) {
		timeout.tv_sec = rest / 1000000000;
		timeout.tv_nsec = rest % 1000000000;
	}
	if (ppoll(polled, n, &timeout, NULL) <= 0)
		return;
	for (unsigned int i = 0; i < n; i++)
		if (polled[i].revents && of[i].attempt->state == CONNECTING)
			attempt_hear(of[i].attempt, of[i].pending);
}

static unsigned int number_parse(const char *text, unsigned long max, const char *rest)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || (*end && strcmp(end, rest)) || value > max) {
		fprintf(stderr, "knocker: '%s' is not a number up to %lu\n", text, max);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	int64_t every_ns, start;
	bool busy = true;

	if (argc < 8 || argc > 7 + KNOCKS_MAX) {
		fprintf(stderr, "usage: knocker FIRST COUNT EVERY_MS GAP_MS PATIENCE_MS PORT "
				"KNOCK...\n");
		return 2;
	}
	first = number_parse(argv[1], 100000, "");
	count = number_parse(argv[2], COUNT_MAX, "");
	every_ns = number_parse(argv[3], 10000, "") * 1000000LL;
	gap_ns = number_parse(argv[4], 10000, "") * 1000000LL;
	patience_ns = number_parse(argv[5], 60000, "") * 1000000LL;
	door.port = number_parse(argv[6], 65535, "");
	for (int i = 7; i < argc; i++) {
		door.knock[door.knocks].port = number_parse(argv[i], 65535, ":udp");
		door.knock[door.knocks++].udp = strchr(argv[i], ':');
	}

	start = now_ns();
	for (unsigned int i = 0; i < count; i++) {
		attempts[i].next_ns = start + i * every_ns;
		memset(attempts[i].pending, -1, sizeof(attempts[i].pending));
	}
	while (busy) {
		int64_t next_ns = INT64_MAX;

		busy = false;
		for (unsigned int i = 0; i < count; i++) {
			if (attempts[i].state <= CONNECTING)
				attempt_go_on(&attempts[i], first + i);
			if (attempts[i].state > CONNECTING)
				continue;
			busy = true;
			if (attempts[i].next_ns < next_ns)
				next_ns = attempts[i].next_ns;
		}
		if (busy)
			attempts_wait(next_ns);
	}
	for (unsigned int i = 0; i < count; i++) {
		if (attempts[i].state == OPENED)
			printf("open %.3f\n",
			       (attempts[i].open_ns - attempts[i].last_ns) / 1e6);
		else
			puts("closed");
	}
	return 0;
}
