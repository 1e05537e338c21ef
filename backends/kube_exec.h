/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exec plugin: what it is told (an ExecCredential in its environment), its
 * run, and what it answers (an ExecCredential on its standard output).
 *
 * Facts are from the reference "Client Authentication (v1)" on kubernetes.io.
 */
#ifndef UVRFS_KUBE_EXEC_H
#define UVRFS_KUBE_EXEC_H

#include "kube_credential.h"

#define KUBE_EXEC_OUTPUT_MAX (1024 * 1024)
#define KUBE_EXEC_SAID_MAX 200

struct kube_exec_answer {
	struct kube_secret secret;	/* its version is 0 */
	int64_t expires;		/* of clock_wall(); 0: never */
};

/*
 * "KUBERNETES_EXEC_INFO=..." for the plugin of @a, the caller's, for
 * secret_free(); NULL with @err.  A worker: it may read the authority's file.
 */
char *kube_exec_info(const struct kube_access *a, struct error *err);

/*
 * Runs the plugin without a shell, with @info in its environment, and returns
 * what it wrote to its standard output, the caller's, for secret_free(), or
 * NULL with @err, in which is the begin of what it wrote to its standard error.
 * It has a process group of its own, which is killed after @timeout_ms.  What a
 * plugin that has ended leaves behind is not waited for.  A worker.
 */
char *kube_exec_run(const struct kube_exec *exec, const char *info,
		    int timeout_ms, struct error *err);

/*
 * Reads the plugin's output @text into @out, whose secret is the caller's.
 * Nothing of @text is in a sentence: it is secret.  EPROTO, ENOMEM.  Pure.
 */
int kube_exec_parse(const struct kube_exec *exec, const char *text,
		    struct kube_exec_answer *out, struct error *err);

#endif
