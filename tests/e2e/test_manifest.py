# SPDX-License-Identifier: Apache-2.0
"""Manifests by the API's own rules: taken, or refused with all faults named.

The first line of each file in manifests/ says what is to come of it:
`accept`, or `refuse` and the words that `error` must have, separated by `|`.
In a JSON file it is the value of metadata.annotations.expect.
"""
import errno
import json
import os
import pathlib

import pytest

from uvr import call, get, manifest, name_of, put

FOLDER = pathlib.Path(__file__).parent / "manifests"
FILES = sorted(p.name for p in FOLDER.iterdir())


def expectation(path, text):
    if path.suffix == ".json":
        line = json.loads(text)["metadata"]["annotations"]["expect"]
    else:
        line = text.splitlines()[0].lstrip("# ")
    verdict, _, words = line.partition(":")
    return verdict.strip(), [w.strip() for w in words.split("|") if w.strip()]


@pytest.fixture
def draft(d):
    name = d.new_name("draft")
    if not (d / "api").exists():
        os.mkdir(d / "api")
    path = d / "api" / name
    os.mkdir(path)
    yield path
    call(os.rmdir, path)


@pytest.mark.parametrize("name", FILES)
def test_manifest(make_manifest_daemon, name):
    d = make_manifest_daemon
    text = (FOLDER / name).read_text()
    verdict, words = expectation(FOLDER / name, text)
    path = d / "api" / name.split(".")[0]
    if not (d / "api").exists():
        os.mkdir(d / "api")
    os.mkdir(path)
    try:
        code = put(path / "spec.yaml", text)
        sentence = get(path / "error")
        if verdict == "accept":
            assert code == 0, (name_of(code), sentence)
            assert get(path / "spec.yaml") == text
            assert (path / "state").exists()
            return
        assert name_of(code) == "EINVAL", sentence
        for word in words:
            assert word in sentence, (word, sentence)
        assert set(os.listdir(path)) == {"spec.yaml", "error"}
    finally:
        call(os.rmdir, path)


@pytest.fixture(scope="module")
def make_manifest_daemon(make_shared):
    """Speaks for the destination of each manifest, whatever its region."""
    return make_shared(config="")


FAULTS = {
    "sourceEndpoint.cluster": ("cluster: prod-x", "cluster: 'Not A Name'"),
    "destinationEndpoint.region": ("region: here", "region: ''"),
    "volumeMapping.source.pvcName": ("pvcName: x-pvc", "pvcName: _x"),
    "replicationState": ("replicationState: replica",
                         "replicationState: secondary"),
    "replicationMode": ("replicationMode: synchronous",
                        "replicationMode: eventual"),
    "schedule.rpo": ("{mode: continuous}", "{mode: continuous, rpo: 5x}"),
}


def test_all_faults_are_named_with_path_and_line(draft):
    text = manifest("x").replace("  name: x\n", "")
    for old, new in FAULTS.values():
        assert old in text, old
        text = text.replace(old, new)
    assert put(draft / "spec.yaml", text) == errno.EINVAL
    sentence = get(draft / "error")
    for path, (_, new) in FAULTS.items():
        assert f"spec.{path}" in sentence, sentence
        line = 1 + text[:text.index(new)].count("\n")
        assert f"line {line}" in sentence, (path, line, sentence)


HOSTILE = {
    "anchor": ("a: &x 1\n", ["anchor"]),
    "alias bomb": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", ["anchor"]),
    "nesting": ("spec: " + "[" * 500 + "]" * 500 + "\n", ["deep"]),
    "duplicate key": ("kind: UnifiedVolumeReplication\nkind: "
                      "UnifiedVolumeReplication\n", ["kind"]),
    "two documents": ("kind: a\n---\nkind: b\n", ["document"]),
    "tag": ("kind: !!python/object:os.system x\n", ["tag"]),
    "NUL": (b"kind: a\0b\n", ["NUL"]),
    "no UTF-8": (b"kind: \xff\xfe\n", ["UTF-8"]),
    "empty": ("# nothing\n", []),
    "a list": ("- a\n- b\n", []),
    "a word": ("manifest", []),
    "broken": ("spec: {a: [b\n", []),
    "broken JSON": ('{"spec": {"a": }}', []),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bytes_get_a_clear_refusal(draft, kind):
    text, words = HOSTILE[kind]
    assert name_of(put(draft / "spec.yaml", text)) == "EINVAL"
    sentence = get(draft / "error")
    assert len(sentence.splitlines()) == 1 and sentence.isascii(), sentence
    for word in words:
        assert word.lower() in sentence.lower(), sentence


def test_a_mebibyte_is_too_big(draft):
    text = manifest("x") + "#" * (1 << 20)
    assert put(draft / "spec.yaml", text) == errno.EFBIG
    assert get(draft / "error")


@pytest.mark.parametrize("state", ["promoting", "demoting", "syncing",
                                   "failed"])
def test_a_new_one_is_source_or_replica(d, draft, state):
    code = put(draft / "spec.yaml", manifest(draft.name, "api", state))
    assert name_of(code) == "EPERM"
    assert state in get(draft / "error")


def test_no_site_of_ours(d, draft):
    text = manifest(draft.name, "api").replace("region: here",
                                               "region: elsewhere")
    assert put(draft / "spec.yaml", text) in (errno.EINVAL, errno.EPERM)
    assert "here" in get(draft / "error")
