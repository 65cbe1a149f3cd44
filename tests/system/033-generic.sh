#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What holds in the driver holds in generic mode too, which every device has: nothing gets through
# or is answered without a grant, live sessions stay.
set -eu

export KNOCKD_MODE=generic
status=0
for test in 010-live-session 020-drop 021-reset 030-disguise; do
	echo "$test, in generic mode:"
	bash "$(dirname "$0")/$test.sh" || status=1
done
exit "$status"
