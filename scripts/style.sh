#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Checks what a compiler does not: who may include whom, line length, scripts, man pages. Prints the
# offending lines; the exit status says whether there are any.
set -eu -o pipefail
# The last command of a pipeline runs here, so that it can set a variable.
shopt -s lastpipe
export LC_ALL=C.UTF-8

cd "$(dirname "$0")/.."
wrong=0

# complain RULE: the offending lines are on standard input; none means that the rule is kept.
complain() {
	local lines
	lines=$(cat)
	[ -n "$lines" ] || return 0
	printf '%s:\n%s\n' "$1" "$lines"
	wrong=1
}

# search REGEX FILE...: like grep, but finding nothing is no error.
search() {
	local regex=$1
	shift
	[ $# -eq 0 ] || grep -HnE -e "$regex" "$@" || true
}

# without FILE... -- FILE...: the second list less the first.
without() {
	local -A skip=()
	while [ "$1" != -- ]; do
		skip[$1]=1
		shift
	done
	shift
	for file; do
		[ -n "${skip[$file]:-}" ] || echo "$file"
	done
}

if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	mapfile -t files < <(git ls-files -co --exclude-standard)
else
	mapfile -t files < <(find . -type f -not -path './build/*' -not -path './.git/*' | cut -c3-)
fi
program=() text=() shell=() manual=()
for file in "${files[@]}"; do
	# Config files of the tests may be ugly on purpose.
	[[ -f $file && $file != tests/conf/* ]] || continue
	case $file in
	*.c | *.h) program+=("$file") ;;
	*.sh | .ci/run) shell+=("$file") ;;
	*.[1-8]) manual+=("$file") ;;
	esac
	case $file in
	*.c | *.h | *.sh | *.py | *.[1-8] | *.example | .ci/run | Makefile) text+=("$file") ;;
	esac
done

# Config and kernel meet in include/knockd/ and load.c; who else asks the kernel is listed here.
kernel='counters|ctl|datapath|doors|entries|generation|link|load|migrate|pinned|pins'
kernel+='|surround|sweep|trial'
mapfile -t some < <(printf '%s\n' "${program[@]}" | grep -E '^(src|include)/')
search '#[[:space:]]*include.*\.skel\.h' "${some[@]}" | { grep -v '^src/load\.c:' || true; } |
	complain 'only src/load.c includes the skeleton'
search '#[[:space:]]*include.*(bpf/libbpf|bpf/bpf|bpf/btf)\.h' "${some[@]}" |
	{ grep -vE "^src/($kernel)\.c:" || true; } |
	complain "only src/($kernel).c include libbpf"
# What runs without privileges knows nothing of those who have them.
helpers='bpffs|commands|config|datapath|debts|doors|entries|folders|guard|load|migrate|pinned'
helpers+='|pins|surround|sweep|tasks'
search "#include \"($helpers)\\.h\"" \
	src/loop.c src/events.c |
	complain 'the loop asks the helper'

mapfile -t some < <(without src/main.c src/knock.c src/knockctl.c -- "${program[@]}" |
	grep '^src/')
search '(^|[^_[:alnum:]])exit[[:space:]]*\(' "${some[@]}" |
	complain 'only a main calls exit()'

if [ -e bpf/sequence.h ]; then
	search '(^|[^_[:alnum:]])bpf_' bpf/sequence.h |
		complain 'bpf/sequence.h also builds natively: no bpf_'
fi

mapfile -t some < <(without bpf/verdict.h include/knockd/reason.h -- "${program[@]}" |
	grep -v '^tests/')
search 'XDP_(DROP|ABORTED)' "${some[@]}" |
	complain 'only bpf/verdict.h turns a reason into an action'

for file in "${text[@]}"; do
	expand -t 8 "$file" | grep -nE '^.{101,}' | sed "s|^|$file:|" || true
done | complain 'longer than 100 columns'

search '[[:blank:]]+$' "${text[@]}" | complain 'blanks at the end of a line'

# Written so that they do not match themselves.
search '(^|[^[:alnum:]])(TO[D]O|FIX[M]E|XX[X]|HAC[K])([^[:alnum:]]|$)' "${text[@]}" |
	complain 'a mark instead of the work'

for file in "${program[@]}" "${shell[@]}"; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || echo "$file"
done | complain 'the licence is not in the first lines'

if command -v shellcheck >/dev/null; then
	shellcheck -x "${shell[@]}" 2>&1 | complain 'shellcheck' || true
else
	echo 'SKIP: shellcheck is not installed; the scripts are not checked'
fi

if command -v mandoc >/dev/null; then
	[ ${#manual[@]} -eq 0 ] || { mandoc -T lint -W warning "${manual[@]}" 2>&1 || true; } |
		complain 'mandoc'
else
	echo 'SKIP: mandoc is not installed; the man pages are not checked'
fi

exit "$wrong"
