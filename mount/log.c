/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own log. */
#include "log.h"

#include "buf.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

static const char *const levels[] = {
	[LOG_ERR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",
};

/* systemd names the device and inode of the stream that it gave us. */
static bool is_journal(const char *stream)
{
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_init(struct log *log)
{
	log->target = is_journal(getenv("JOURNAL_STREAM")) ? TO_JOURNAL
							   : TO_STDERR;
}

void log_detach(struct log *log)
{
	openlog("uvrfs", LOG_PID, LOG_DAEMON);
	log->target = TO_SYSLOG;
}

static void print_stderr(const struct log *log, int level, const char *text)
{
	char stamp[TIME_TEXT_MAX];

	if (log->target == TO_JOURNAL)
		dprintf(STDERR_FILENO, "<%d>%s\n", level, text);
	else
		dprintf(STDERR_FILENO, "%s %s %s\n",
			time_text((int64_t)time(NULL) * 1000, stamp),
			levels[level], text);
}

void log_print(const struct log *log, int level, const char *fmt, ...)
{
	auto_buf text;
	auto_buf line;
	va_list ap;

	buf_init(&text, LINE_MAX_BYTES);
	buf_init(&line, 4 * LINE_MAX_BYTES);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	/* Foreign messages must stay one line and do nothing to a terminal. */
	buf_escape(&line, buf_str(&text));
	if (log->target == TO_SYSLOG)
		syslog(level, "%s", buf_str(&line));
	else
		print_stderr(log, level, buf_str(&line));
}
