// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORD_MAX = 512 };

/*
 * As the kernel lays it out: a page with the position of the consumer, one with that of the
 * producers, then the data twice, so that no record is ever in two pieces. Positions only grow.
 */
struct ring {
	unsigned long *consumer;
	const unsigned long *producer;
	const char *data;
	size_t size;            /* of the data, a power of two */
	size_t page;
	unsigned long position; /* of the next record to read */
	bool consume;
};

/* ---- mapping ---- */

static int ring_map(struct ring *ring, int fd)
{
	int protection = ring->consume ? PROT_READ | PROT_WRITE : PROT_READ;
	void *at = mmap(NULL, ring->page, protection, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	ring->consumer = at;
	at = mmap(NULL, ring->page + 2 * ring->size, PROT_READ, MAP_SHARED, fd, ring->page);
	if (at == MAP_FAILED)
		return -errno;
	ring->producer = at;
	ring->data = (const char *)at + ring->page;
	return 0;
}

int ring_open(struct ring **out, int fd, size_t size, bool consume)
{
	struct ring *ring;
	int error;

	if (size < 2 * RECORD_MAX || size & (size - 1))
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->page = sysconf(_SC_PAGESIZE);
	ring->size = size;
	ring->consume = consume;
	error = ring_map(ring, fd);
	if (error) {
		ring_close(ring);
		return error;
	}
	ring->position = __atomic_load_n(consume ? ring->consumer : ring->producer,
					 __ATOMIC_ACQUIRE);
	*out = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap((void *)ring->producer, ring->page + 2 * ring->size);
	free(ring);
}

/* ---- reading ---- */

enum record { RECORD_READ, RECORD_PASSED_OVER, RECORD_NOT_YET, RECORD_GONE };

/*
 * Whether what was read at our position was still ours to read. The consumer's always is. For an
 * onlooker, a record that is just being written may already show before the producers' position
 * does, so the last that would fit counts as overwritten.
 */
static bool position_holds(const struct ring *ring)
{
	enum { MARGIN = BPF_RINGBUF_HDR_SZ + RECORD_MAX };

	if (ring->consume)
		return true;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(ring->producer, __ATOMIC_RELAXED) + MARGIN - ring->position <=
	       ring->size;
}

/*
 * The record at our position.
 * @end: where there may be no more records
 * @copy, @size: set with RECORD_READ only
 * @step: bytes to the next one, unless it is RECORD_NOT_YET or RECORD_GONE
 */
static enum record record_read(const struct ring *ring, unsigned long end,
			       char copy[RECORD_MAX], size_t *size, size_t *step)
{
	const char *at = ring->data + (ring->position & (ring->size - 1));
	__u32 header = __atomic_load_n((const __u32 *)at, __ATOMIC_ACQUIRE);
	size_t len = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	bool wanted = len <= RECORD_MAX && !(header & BPF_RINGBUF_DISCARD_BIT);

	if (!(header & BPF_RINGBUF_BUSY_BIT) && wanted)
		memcpy(copy, at + BPF_RINGBUF_HDR_SZ, len);
	if (!position_holds(ring))
		return RECORD_GONE;
	if (header & BPF_RINGBUF_BUSY_BIT)
		return RECORD_NOT_YET;
	*step = (BPF_RINGBUF_HDR_SZ + len + 7) & ~7UL;
	if (*step > end - ring->position)
		return RECORD_GONE;
	if (!wanted)
		return RECORD_PASSED_OVER;
	*size = len;
	return RECORD_READ;
}

static void position_set(struct ring *ring, unsigned long position)
{
	ring->position = position;
	if (ring->consume)
		__atomic_store_n(ring->consumer, position, __ATOMIC_RELEASE);
}

int ring_read(struct ring *ring, void (*handle)(void *data, const void *record, size_t size),
	      void *data, unsigned int *missed)
{
	/* What comes meanwhile is for the next time: this ends. */
	unsigned long end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	char copy[RECORD_MAX] __attribute__((aligned(8)));
	size_t size = 0, step = 0;
	int count = 0;

	while (ring->position != end) {
		switch (record_read(ring, end, copy, &size, &step)) {
		case RECORD_READ:
			handle(data, copy, size);
			count++;
			break;
		case RECORD_PASSED_OVER:
			break;
		case RECORD_NOT_YET:
			return count;
		case RECORD_GONE:
			if (missed)
				++*missed;
			position_set(ring, __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE));
			return count;
		}
		position_set(ring, ring->position + step);
	}
	return count;
}

bool ring_full(const struct ring *ring, size_t size)
{
	unsigned long used = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) -
			     __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);

	return used + BPF_RINGBUF_HDR_SZ + size >= ring->size;
}
