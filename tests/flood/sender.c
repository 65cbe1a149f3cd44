/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fast sender of SYNs from random sources, to the server of tests/system/lib.sh:
 *
 *	sender INTERFACE OBJECT NETNS PORT RATE SECONDS [silent]
 *
 * NETNS is the inode of the other end's network namespace. RATE is in packets a second; 0: as many
 * as the other end takes; "most": the same, and nothing else runs on the sender's processor. With
 * "silent" it works as hard and sends nothing. Prints "ready" when the flood is on, and at the end,
 * or on SIGTERM, in packets a second, what it put on the wire and what the other end took from it:
 *
 *	sent 9980201 taken 9980173
 *
 * No stack and no system call is on the packets' way: the kernel runs sender.bpf.c over and over on
 * frames of a pool and puts them into the veth's ring (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18).
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

enum {
	BATCH_MAX = 128,
	BATCHES_A_SECOND = 20000,
	GROUP_MAX = 16,
	FRESH = 8,
	SECONDS_MAX = 900,
	FRAME_LEN = 60,
};

/* Both are the same in sender.bpf.c. */
struct settings {
	uint32_t device, silent;
	uint32_t ip_sum, tcp_sum;
	uint32_t netns, batch;
	uint32_t fresh, patient;
};

struct state {
	uint64_t group, group_ns;
	uint64_t sent;
	uint64_t next_ns, last_ns;
};

static const double LEAD_S = 0.1; /* from the beginning to the measurement */

struct moment {
	double seconds;
	uint64_t sent, taken;
};

struct flood {
	const char *interface;
	volatile struct state *state;
	int program;
	unsigned int batch;
	bool most;
	double seconds;
	pthread_t runner;
};

static uint8_t frame[FRAME_LEN] = {
	2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
	0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,
};

static void interrupt(int signal)
{
	(void)signal;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* In the byte order of memory, as the one who adds to it. */
static uint32_t sum_over(const uint8_t *at, size_t len)
{
	uint32_t sum = 0;
	uint16_t word;

	for (; len > 1; at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void frame_prepare(struct settings *settings, unsigned int port)
{
	static const uint8_t pseudo[4] = { 0, IPPROTO_TCP, 0, 20 };

	frame[36] = port >> 8;
	frame[37] = port;
	settings->ip_sum = sum_over(frame + 14, 20);
	/* From the source address on. */
	settings->tcp_sum = sum_over(frame + 26, 28) + sum_over(pseudo, sizeof(pseudo));
}

/* Of a veth, packets count as transmitted when the other end has taken them out of its ring. */
static bool taken_read(const struct flood *flood, uint64_t *taken)
{
	char line[512], *at;
	size_t len = strlen(flood->interface);
	bool found = false;
	FILE *file = fopen("/proc/self/net/dev", "r");

	while (file && !found && fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " ");
		found = !strncmp(at, flood->interface, len) && at[len] == ':' &&
			sscanf(at + len + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64,
			       taken) == 1;
	}
	if (file)
		fclose(file);
	return found;
}

static struct moment moment_now(const struct flood *flood)
{
	struct moment now = {};

	if (!taken_read(flood, &now.taken)) {
		fprintf(stderr, "sender: %s does not count what was taken\n", flood->interface);
		exit(1);
	}
	now.seconds = seconds_now();
	now.sent = flood->state->sent;
	return now;
}

/* Nobody else shall have this processor. */
static void thread_urge(int priority)
{
	struct sched_param how = { .sched_priority = priority };

	if (sched_setscheduler(0, SCHED_FIFO, &how))
		perror("sender: SCHED_FIFO");
}

/* Sends until a signal interrupts it. */
static void *flood_run(void *argument)
{
	struct flood *flood = argument;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = FRAME_LEN,
		    .repeat = UINT32_MAX / 2, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = flood->batch);
	int error;

	if (flood->most)
		thread_urge(1);
	do
		error = bpf_prog_test_run_opts(flood->program, &run);
	while (!error);
	if (error != -EINTR) {
		fprintf(stderr, "sender: cannot send live frames: %s\n", strerror(-error));
		exit(1);
	}
	return NULL;
}

static bool flood_load(struct flood *flood, const char *path, const struct settings *settings)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_map *map;
	struct bpf_program *program;
	void *state;

	map = object ? bpf_object__find_map_by_name(object, ".rodata") : NULL;
	program = object ? bpf_object__find_program_by_name(object, "flood") : NULL;
	if (!map || !program || bpf_map__value_size(map) != sizeof(*settings) ||
	    bpf_map__set_initial_value(map, settings, sizeof(*settings)) ||
	    bpf_object__load(object))
		return false;
	map = bpf_object__find_map_by_name(object, ".bss");
	state = map ? mmap(NULL, sizeof(*flood->state), PROT_READ | PROT_WRITE, MAP_SHARED,
			   bpf_map__fd(map), 0) : MAP_FAILED;
	flood->state = state;
	flood->program = bpf_program__fd(program);
	program = bpf_object__find_program_by_name(object, "ring_find");
	/* Its link lives as long as we do. */
	return state != MAP_FAILED && program && bpf_program__attach(program);
}

/* Groups are one ring's tenth at most, and not so small that asking the clock takes long. */
static void rate_set(struct flood *flood, double rate)
{
	uint64_t group = rate / 500000;

	if (!rate)
		return;
	group = group < 1 ? 1 : group > GROUP_MAX ? GROUP_MAX : group;
	flood->state->group_ns = group * 1e9 / rate;
	flood->state->group = group;
}

static void moment_sleep(double seconds)
{
	struct timespec rest = { .tv_sec = seconds, .tv_nsec = (seconds - (long)seconds) * 1e9 };

	nanosleep(&rest, NULL);
}

/* The middle of the flood, so that neither its beginning nor its end counts. */
static void flood_measure(struct flood *flood, const sigset_t *told)
{
	struct timespec rest = { .tv_sec = flood->seconds,
				 .tv_nsec = (flood->seconds - (long)flood->seconds) * 1e9 };
	struct moment first, last;
	double seconds;

	if (flood->most)
		thread_urge(2);
	moment_sleep(LEAD_S);
	puts("ready");
	fflush(stdout);
	first = moment_now(flood);
	sigtimedwait(told, NULL, &rest);
	last = moment_now(flood);
	seconds = last.seconds - first.seconds;
	printf("sent %.0f taken %.0f\n", (last.sent - first.sent) / seconds,
	       (last.taken - first.taken) / seconds);
	fflush(stdout);
}

static double number_parse(const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= max)) {
		fprintf(stderr, "sender: '%s' is not a number up to %.0f\n", text, max);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct flood flood = {};
	struct settings settings = {};
	struct sigaction action = { .sa_handler = interrupt };
	sigset_t told;
	double rate;

	if (argc < 7 || argc > 8) {
		fprintf(stderr, "usage: sender INTERFACE OBJECT NETNS PORT RATE SECONDS "
				"[silent]\n");
		return 2;
	}
	flood.interface = argv[1];
	frame_prepare(&settings, number_parse(argv[4], 65535));
	settings.device = if_nametoindex(flood.interface);
	flood.most = !strcmp(argv[5], "most");
	rate = flood.most ? 0 : number_parse(argv[5], 1e9);
	/* Nothing else runs on this processor during a batch. */
	settings.batch = !rate || rate > BATCH_MAX * BATCHES_A_SECOND ? BATCH_MAX :
			 rate < BATCHES_A_SECOND ? 1 : rate / BATCHES_A_SECOND;
	flood.batch = settings.batch;
	/* First knocks must all be new: the same again is a retransmission. */
	settings.fresh = rate ? 1 : FRESH;
	settings.patient = !rate;
	settings.silent = argc == 8;
	settings.netns = number_parse(argv[3], UINT32_MAX);
	flood.seconds = number_parse(argv[6], SECONDS_MAX);
	if (!settings.device || !flood_load(&flood, argv[2], &settings)) {
		fprintf(stderr, "sender: cannot load %s for %s\n", argv[2], flood.interface);
		return 1;
	}
	rate_set(&flood, rate);

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&told);
	sigaddset(&told, SIGTERM);
	sigaddset(&told, SIGINT);
	pthread_sigmask(SIG_BLOCK, &told, NULL);
	if (pthread_create(&flood.runner, NULL, flood_run, &flood))
		return 1;
	flood_measure(&flood, &told);
	pthread_kill(flood.runner, SIGUSR1);
	pthread_join(flood.runner, NULL);
	return 0;
}
