/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this process is to a cluster: the credential of a struct kube_access as
 * it is now, for tokens are rotated in their files, and plugins hand out
 * others.
 *
 * Facts are from "Authenticating" (bound tokens, client-go credential plugins)
 * and the reference "Client Authentication (v1)" on kubernetes.io.
 */
#ifndef UVRFS_KUBE_CREDENTIAL_H
#define UVRFS_KUBE_CREDENTIAL_H

#include "error.h"
#include "kubeconfig.h"

#include <stdbool.h>
#include <stdint.h>

/* A credential at one moment; the strings are of the heap and the struct's. */
struct kube_secret {
	char *token;		/* NULL: none */
	char *cert;		/* PEM; NULL: none, or in access->cert_file */
	char *key;
	uint64_t version;	/* another one for every other credential, so
				   that a connection that was made with an old
				   certificate is known for one */
};

struct kube_credential;

/*
 * For @a, which stays the caller's and must outlive it.  NULL: out of memory.
 * Does not block and looks at nothing yet.
 */
struct kube_credential *kube_credential_new(const struct kube_access *a);

/* Takes NULL.  Nobody may be in kube_credential_get. */
void kube_credential_free(struct kube_credential *c);

/*
 * The credential, for kube_secret_finish(); username and password are not of
 * it.  With @refresh, for after a 401, one that is newer than what has been
 * given out, unless a plugin ended within the last second.
 *
 * A token's file is read again after a minute; when that fails the last token
 * stays.  A plugin runs when there is none yet, within ten seconds of the
 * expiry, and to refresh; it is killed when it has no end within @timeout_ms or
 * a minute.  How it failed stands for a second.  A token, or a username, goes
 * before a plugin.
 *
 * A worker: it reads files and waits for programs.  From any thread; who comes
 * while a plugin runs waits for that one.  Fails with ETIMEDOUT, EACCES for a
 * plugin that says no, EPROTO for one that says what is no credential, EINVAL
 * for a file without a token, ENOMEM, or as open(2), read(2) and
 * posix_spawn(3) do.
 */
int kube_credential_get(struct kube_credential *c, bool refresh,
			int timeout_ms, struct kube_secret *out,
			struct error *err);

/* Clears and frees what @s holds; it is as if zeroed afterwards. */
void kube_secret_finish(struct kube_secret *s);
#define auto_kube_secret \
	__attribute__((cleanup(kube_secret_finish))) struct kube_secret

#endif
