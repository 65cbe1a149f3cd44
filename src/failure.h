/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What went wrong, in a sentence for a person; beside the −errno that a function returns. */
#ifndef KNOCKD_FAILURE_H
#define KNOCKD_FAILURE_H

struct failure {
	char text[512];
};

/** failure_set() - Write the sentence, as printf does. */
__attribute__((format(printf, 2, 3)))
void failure_set(struct failure *failure, const char *format, ...);

#endif
