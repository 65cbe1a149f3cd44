// SPDX-License-Identifier: GPL-2.0-or-later
#include "path.h"

#include <stdio.h>
#include <unistd.h>

static char path_start[PATH_MAX]; /* empty: not known */

void path_remember(void)
{
	if (!getcwd(path_start, sizeof(path_start)))
		path_start[0] = '\0';
}

const char *path_absolute(const char *path, char room[PATH_MAX])
{
	int len;

	/* Linux calls a folder that cannot be reached from the root "(unreachable)/...". */
	if (path[0] == '/' || path_start[0] != '/')
		return path;
	len = snprintf(room, PATH_MAX, "%s/%s", path_start, path);
	return len < PATH_MAX ? room : path;
}
