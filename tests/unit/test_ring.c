// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading a ring buffer. A file in memory stands for it, in the kernel's layout; since a file
 * cannot show its data twice, what the producer below writes goes to both places.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

enum { SIZE = 4096 };

struct producer {
	int fd;
	size_t page;
	char *at;
};

static struct producer producer_make(void)
{
	struct producer p = { memfd_create("ring", MFD_CLOEXEC), sysconf(_SC_PAGESIZE), NULL };

	assert_true(p.fd >= 0);
	assert_int_equal(ftruncate(p.fd, 2 * p.page + 2 * SIZE), 0);
	p.at = mmap(NULL, 2 * p.page + 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p.fd, 0);
	assert_ptr_not_equal(p.at, MAP_FAILED);
	return p;
}

static void producer_end(struct producer *p)
{
	munmap(p->at, 2 * p->page + 2 * SIZE);
	close(p->fd);
}

static unsigned long *consumer_position(struct producer *p)
{
	return (unsigned long *)p->at;
}

static unsigned long *producer_position(struct producer *p)
{
	return (unsigned long *)(p->at + p->page);
}

static void bytes_put(struct producer *p, unsigned long position, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		size_t place = (position + i) % SIZE;

		p->at[2 * p->page + place] = ((const char *)bytes)[i];
		p->at[2 * p->page + SIZE + place] = ((const char *)bytes)[i];
	}
}

static void header_put(struct producer *p, unsigned long position, uint32_t header)
{
	uint32_t words[2] = { header, 4711 };

	bytes_put(p, position, words, sizeof(words));
}

/* Write a record of @size bytes that begins with @text. Return: its position. */
static unsigned long record_put(struct producer *p, const char *text, size_t size, uint32_t bits)
{
	unsigned long position = *producer_position(p);
	char record[2 * SIZE] = "";

	snprintf(record, sizeof(record), "%s", text);
	header_put(p, position, size | bits);
	bytes_put(p, position + BPF_RINGBUF_HDR_SZ, record, size);
	__atomic_store_n(producer_position(p),
			 position + ((BPF_RINGBUF_HDR_SZ + size + 7) & ~7UL), __ATOMIC_RELEASE);
	return position;
}

static struct ring *ring_over(struct producer *p, bool consume)
{
	struct ring *ring = NULL;

	assert_int_equal(ring_open(&ring, p->fd, SIZE, consume), 0);
	return ring;
}

/* All that was read, as text. */
struct reader {
	char text[4096];
	size_t last_size;
};

static void record_take(void *data, const void *record, size_t size)
{
	struct reader *reader = data;
	size_t used = strlen(reader->text);

	assert_int_equal((uintptr_t)record % 8, 0);
	reader->last_size = size;
	snprintf(reader->text + used, sizeof(reader->text) - used, "%s%.*s", used ? " " : "",
		 (int)size, (const char *)record);
}

/* Read what is there and compare; return how often records were missed. */
static unsigned int expect_read(struct ring *ring, const char *text)
{
	struct reader reader = {};
	unsigned int missed = 0, words = *text != '\0';

	for (const char *c = text; *c; c++)
		words += *c == ' ';
	assert_int_equal(ring_read(ring, record_take, &reader, &missed), words);
	assert_string_equal(reader.text, text);
	return missed;
}

static void sizes_that_no_ring_has_are_refused(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = NULL;

	(void)state;
	assert_int_equal(ring_open(&ring, p.fd, 0, true), -EINVAL);
	assert_int_equal(ring_open(&ring, p.fd, 6144, true), -EINVAL);
	assert_int_equal(ring_open(&ring, -1, SIZE, true), -EBADF);
	assert_null(ring);
	ring_close(NULL);
	producer_end(&p);
}

static void the_consumer_takes_records_in_order(void **state)
{
	struct producer p = producer_make();
	struct ring *ring;

	(void)state;
	record_put(&p, "a", 96, 0);
	record_put(&p, "b", 13, 0);
	ring = ring_over(&p, true);
	assert_int_equal(expect_read(ring, "a b"), 0);
	assert_int_equal(*consumer_position(&p), *producer_position(&p));
	assert_int_equal(expect_read(ring, ""), 0);
	record_put(&p, "c", 96, 0);
	assert_int_equal(expect_read(ring, "c"), 0);
	ring_close(ring);
	producer_end(&p);
}

static void a_new_consumer_goes_on_where_the_last_one_stopped(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = ring_over(&p, true);

	(void)state;
	record_put(&p, "a", 96, 0);
	expect_read(ring, "a");
	ring_close(ring);
	record_put(&p, "b", 96, 0);
	ring = ring_over(&p, true);
	expect_read(ring, "b");
	ring_close(ring);
	producer_end(&p);
}

static void records_over_the_end_are_in_one_piece(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = ring_over(&p, true);
	char text[32];

	(void)state;
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "record-%d", i);
		record_put(&p, text, 90 + i % 7, 0);
		expect_read(ring, text);
	}
	assert_true(*consumer_position(&p) > 10 * SIZE);
	ring_close(ring);
	producer_end(&p);
}

static void positions_may_pass_their_last_number(void **state)
{
	struct producer p = producer_make();
	struct ring *ring, *onlooker;

	(void)state;
	*producer_position(&p) = *consumer_position(&p) = -104UL;
	ring = ring_over(&p, true);
	onlooker = ring_over(&p, false);
	record_put(&p, "a", 96, 0);
	record_put(&p, "b", 96, 0);
	assert_int_equal(expect_read(ring, "a b"), 0);
	assert_int_equal(expect_read(onlooker, "a b"), 0);
	assert_int_equal(*consumer_position(&p), 104);
	ring_close(ring);
	ring_close(onlooker);
	producer_end(&p);
}

static void a_busy_record_is_waited_for(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = ring_over(&p, true), *onlooker = ring_over(&p, false);
	unsigned long busy;

	(void)state;
	record_put(&p, "a", 96, 0);
	busy = record_put(&p, "b", 96, BPF_RINGBUF_BUSY_BIT);
	record_put(&p, "c", 96, 0);
	expect_read(ring, "a");
	expect_read(onlooker, "a");
	expect_read(ring, "");
	assert_int_equal(*consumer_position(&p), busy);
	header_put(&p, busy, 96);
	expect_read(ring, "b c");
	assert_int_equal(expect_read(onlooker, "b c"), 0);
	ring_close(ring);
	ring_close(onlooker);
	producer_end(&p);
}

static void discarded_and_oversized_records_are_passed_over(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = ring_over(&p, true);

	(void)state;
	record_put(&p, "a", 96, BPF_RINGBUF_DISCARD_BIT);
	record_put(&p, "b", 513, 0);
	record_put(&p, "c", 512, 0);
	record_put(&p, "d", 0, 0);
	record_put(&p, "e", 1, 0);
	expect_read(ring, "c  e");
	assert_int_equal(*consumer_position(&p), *producer_position(&p));
	ring_close(ring);
	producer_end(&p);
}

static void what_comes_meanwhile_is_for_the_next_time(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = ring_over(&p, true);
	struct reader reader = {};

	(void)state;
	record_put(&p, "a", 96, 0);
	/* As if it were written after the reader looked: a position before its record. */
	record_put(&p, "b", 96, 0);
	*producer_position(&p) -= 104;
	assert_int_equal(ring_read(ring, record_take, &reader, NULL), 1);
	assert_string_equal(reader.text, "a");
	assert_int_equal(reader.last_size, 96);
	*producer_position(&p) += 104;
	expect_read(ring, "b");
	ring_close(ring);
	producer_end(&p);
}

static void an_onlooker_starts_now_and_takes_nothing(void **state)
{
	struct producer p = producer_make();
	struct ring *ring, *onlooker;

	(void)state;
	record_put(&p, "a", 96, 0);
	ring = ring_over(&p, true);
	onlooker = ring_over(&p, false);
	record_put(&p, "b", 96, 0);
	assert_int_equal(expect_read(onlooker, "b"), 0);
	assert_int_equal(*consumer_position(&p), 0);
	assert_int_equal(expect_read(ring, "a b"), 0);
	assert_int_equal(expect_read(onlooker, ""), 0);
	ring_close(ring);
	ring_close(onlooker);
	producer_end(&p);
}

static void an_onlooker_too_late_says_so_and_goes_on(void **state)
{
	struct producer p = producer_make();
	struct ring *onlooker = ring_over(&p, false);

	(void)state;
	for (int i = 0; i < 50; i++)
		record_put(&p, "old", 96, 0);
	assert_int_equal(expect_read(onlooker, ""), 1);
	record_put(&p, "new", 96, 0);
	assert_int_equal(expect_read(onlooker, "new"), 0);
	/* Where its record was there may be anything, even what looks like one being written. */
	for (int i = 0; i < 50; i++)
		record_put(&p, "old", 96, BPF_RINGBUF_BUSY_BIT);
	assert_int_equal(expect_read(onlooker, ""), 1);
	assert_int_equal(expect_read(onlooker, ""), 0);
	ring_close(onlooker);
	producer_end(&p);
}

static void a_record_that_may_be_written_over_counts_as_missed(void **state)
{
	struct producer p = producer_make();
	struct ring *onlooker = ring_over(&p, false);

	(void)state;
	/* 34 records leave 560 bytes, 35 leave 456: the next record may reach the first one. */
	for (int i = 0; i < 34; i++)
		record_put(&p, "x", 96, 0);
	assert_int_equal(ring_read(onlooker, record_take, &(struct reader){}, NULL), 34);
	for (int i = 0; i < 35; i++)
		record_put(&p, "x", 96, 0);
	assert_int_equal(expect_read(onlooker, ""), 1);
	ring_close(onlooker);
	producer_end(&p);
}

static void a_record_beyond_the_producers_ends_nothing_but_itself(void **state)
{
	struct producer p = producer_make();
	struct ring *ring = ring_over(&p, true);
	unsigned long bad = record_put(&p, "a", 96, 0);

	(void)state;
	header_put(&p, bad, 1000);
	assert_int_equal(expect_read(ring, ""), 1);
	assert_int_equal(*consumer_position(&p), *producer_position(&p));
	record_put(&p, "b", 96, 0);
	assert_int_equal(expect_read(ring, "b"), 0);
	ring_close(ring);
	producer_end(&p);
}

static void a_ring_that_nobody_reads_is_full_in_the_end(void **state)
{
	struct producer p = producer_make();
	struct ring *onlooker = ring_over(&p, false);

	(void)state;
	/* 39 records of 104 bytes are 4056; one more would make it 4160. */
	for (int i = 0; i < 38; i++) {
		record_put(&p, "x", 96, 0);
		assert_false(ring_full(onlooker, 96));
	}
	record_put(&p, "x", 96, 0);
	assert_true(ring_full(onlooker, 96));
	*consumer_position(&p) = *producer_position(&p);
	assert_false(ring_full(onlooker, 96));
	ring_close(onlooker);
	producer_end(&p);
}

/* ---- a producer that does not wait for onlookers ---- */

enum { HASTE_RECORDS = 200000 };

static void *haste(void *data)
{
	struct producer *p = data;
	uint32_t record[24];

	for (uint32_t i = 0; i < HASTE_RECORDS; i++) {
		unsigned long position = *producer_position(p);

		for (size_t j = 0; j < 24; j++)
			record[j] = i;
		header_put(p, position, sizeof(record) | BPF_RINGBUF_BUSY_BIT);
		__atomic_store_n(producer_position(p), position + 104, __ATOMIC_SEQ_CST);
		bytes_put(p, position + BPF_RINGBUF_HDR_SZ, record, sizeof(record));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		header_put(p, position, sizeof(record));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return NULL;
}

struct haste_seen {
	uint32_t count, latest, torn;
};

static void haste_take(void *data, const void *record, size_t size)
{
	struct haste_seen *seen = data;
	const uint32_t *words = record;

	seen->count++;
	seen->torn += size != 96 || (seen->latest && words[0] <= seen->latest);
	for (size_t j = 0; j < size / 4; j++)
		seen->torn += words[j] != words[0];
	seen->latest = words[0];
}

static void an_onlooker_sees_whole_records_or_none(void **state)
{
	struct producer p = producer_make();
	struct ring *onlooker = ring_over(&p, false);
	struct haste_seen seen = {};
	unsigned int missed = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, haste, &p), 0);
	while (*(volatile unsigned long *)producer_position(&p) < HASTE_RECORDS * 104UL)
		ring_read(onlooker, haste_take, &seen, &missed);
	pthread_join(thread, NULL);
	print_message("%u records seen, missed %u times\n", seen.count, missed);
	assert_int_equal(seen.torn, 0);
	ring_close(onlooker);
	producer_end(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_no_ring_has_are_refused),
		cmocka_unit_test(the_consumer_takes_records_in_order),
		cmocka_unit_test(a_new_consumer_goes_on_where_the_last_one_stopped),
		cmocka_unit_test(records_over_the_end_are_in_one_piece),
		cmocka_unit_test(positions_may_pass_their_last_number),
		cmocka_unit_test(a_busy_record_is_waited_for),
		cmocka_unit_test(discarded_and_oversized_records_are_passed_over),
		cmocka_unit_test(what_comes_meanwhile_is_for_the_next_time),
		cmocka_unit_test(an_onlooker_starts_now_and_takes_nothing),
		cmocka_unit_test(an_onlooker_too_late_says_so_and_goes_on),
		cmocka_unit_test(a_record_that_may_be_written_over_counts_as_missed),
		cmocka_unit_test(a_record_beyond_the_producers_ends_nothing_but_itself),
		cmocka_unit_test(a_ring_that_nobody_reads_is_full_in_the_end),
		cmocka_unit_test(an_onlooker_sees_whole_records_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
