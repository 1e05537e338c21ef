/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig; and the same bytes as what a credential plugin says. */
#include "fuzz.h"

#include "kube_exec.h"
#include "kubeconfig_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_access(const struct kube_access *a)
{
	ck_assert_ptr_nonnull(a->server);
	ck_assert(strncmp(a->server, "http://", 7) == 0 ||
		  strncmp(a->server, "https://", 8) == 0);
	ck_assert_int_ne(a->server[strlen(a->server) - 1], '/');
	ck_assert(!a->token || secret_is_token(a->token));
	ck_assert(!a->ca_file || *a->ca_file == '/');
	ck_assert(!a->token_file || *a->token_file == '/');
	ck_assert(!a->exec || *a->exec->command);
}

static void check_kubeconfig(const uint8_t *data, size_t size)
{
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	struct kube_access access = {0};
	struct error err = {0};
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	if (kubeconfig_load(path, NULL, &access, &err) == 0) {
		check_access(&access);
		kube_access_finish(&access);
	} else {
		check_sentence(err.msg);
	}
	close(fd);
}

static void check_credential(const uint8_t *data, size_t size)
{
	struct kube_exec exec = {
		.command = (char[]){"plugin"},
		.api_version = (char[]){"client.authentication.k8s.io/v1"},
	};
	struct kube_exec_answer answer = {0};
	char *text = strndup((const char *)data, size);
	struct error err = {0};

	if (kube_exec_parse(&exec, text, &answer, &err) == 0)
		ck_assert(answer.secret.token || answer.secret.cert);
	else
		check_sentence(err.msg);
	kube_secret_finish(&answer.secret);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_kubeconfig(data, size);
	check_credential(data, size);
	return 0;
}
