/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a BPF ring buffer through its mapping, without a system call
 * (Documentation/bpf/ringbuf.rst): by its one consumer, or by onlookers who take nothing away.
 */
#ifndef KNOCKD_RING_H
#define KNOCKD_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;

/**
 * ring_open() - Map the ring buffer @fd of @size bytes (its max_entries).
 * @consume: true: be its consumer, from the oldest record on; false: look on, from now on
 *
 * The descriptor stays the caller's. It can be polled, level-triggered: it is readable while there
 * are records that were not consumed, so an onlooker cannot wait on it.
 *
 * Return: 0, −EINVAL for a size that no ring buffer has, or another −errno.
 */
int ring_open(struct ring **out, int fd, size_t size, bool consume);

/** ring_close() - Unmap; what was not read stays for the next consumer. NULL is fine. */
void ring_close(struct ring *ring);

/**
 * ring_read() - Hand each record that is there now to @handle, oldest first.
 * @missed: NULL, or is raised by one when an onlooker came too late and records were overwritten
 *
 * The record is a copy, aligned to 8 bytes; those longer than 512 bytes are passed over.
 *
 * Return: how many.
 */
int ring_read(struct ring *ring, void (*handle)(void *data, const void *record, size_t size),
	      void *data, unsigned int *missed);

/** ring_full() - Whether one more record of @size bytes has no room, as nobody consumes them. */
bool ring_full(const struct ring *ring, size_t size);

#endif
