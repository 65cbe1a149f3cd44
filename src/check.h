/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is legal in a config but unwise. Pure: facts about the host are arguments. */
#ifndef KNOCKD_CHECK_H
#define KNOCKD_CHECK_H

#include "conf.h"
#include "facts.h"
#include "message.h"

/** check_conf() - Add a warning for everything in @conf that is legal but unwise. */
void check_conf(const struct conf *conf, const struct host_facts *facts,
		struct messages *messages);

#endif
