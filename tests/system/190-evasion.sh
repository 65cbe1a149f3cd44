#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Some thousand mutated packets, each of a kind that Linux alone lets through to a socket or knows
# how to refuse: none gets through knockd without a grant. 'make evasion' sends more of the same.
set -eu

exec bash "$(dirname "$0")/../evasion/oracle.sh" --count "${KNOCKD_TEST_ALL:+4}5000"
