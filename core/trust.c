/* SPDX-License-Identifier: Apache-2.0 */
/* Owners and modes of the files that we are told to read. */
#include "trust.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int trust_file(const char *path, bool secret, struct error *err)
{
	const mode_t change = S_IWGRP | S_IWOTH;
	struct stat st;
	mode_t mode;

	/* What everybody writes to /dev/null nobody reads. */
	if (stat(path, &st) < 0 || S_ISCHR(st.st_mode))
		return 0;
	mode = st.st_mode & 0777;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return fail(err, EACCES, "%s belongs to uid %u, who could "
			    "change it: chown it to root", path,
			    (unsigned)st.st_uid);
	if (mode & change)
		return fail(err, EACCES, "others can change %s (its mode is "
			    "%04o): chmod go-w it", path, mode);
	if (!secret || !(mode & S_IROTH || (mode & S_IRGRP && st.st_uid != 0)))
		return 0;
	/* With mode 0600 we could not read what belongs to root. */
	if (st.st_uid != geteuid())
		return fail(err, EACCES, "others can read %s, which holds "
			    "secrets (its mode is %04o): chgrp it to our group, "
			    "%u, and chmod 0640 it", path, mode,
			    (unsigned)getegid());
	return fail(err, EACCES, "others can read %s, which holds secrets (its "
		    "mode is %04o): chmod 0600 it", path, mode);
}
