# SPDX-License-Identifier: Apache-2.0
"""A certificate authority in a directory, by openssl."""
import base64
import dataclasses
import datetime
import itertools
import pathlib
import subprocess

CONF = """[ca]
default_ca = us
[us]
dir = {dir}
database = $dir/index
certificate = $dir/ca.crt
private_key = $dir/ca.key
new_certs_dir = $dir
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = none
[none]
[ca_ext]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""

SERVER_NAMES = ("DNS:localhost", "IP:127.0.0.1", "IP:10.0.0.1")


def openssl(*arguments):
    subprocess.run(["openssl", *[str(a) for a in arguments]], check=True,
                   capture_output=True, stdin=subprocess.DEVNULL, timeout=60)


def inline(path):
    """A file as kubeconfigs hold it."""
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


@dataclasses.dataclass(frozen=True)
class Cert:
    crt: pathlib.Path
    key: pathlib.Path

    def files(self):
        """The user of a kubeconfig that has it in files."""
        return {"client-certificate": str(self.crt),
                "client-key": str(self.key)}

    def data(self):
        """The same, with the content in the kubeconfig."""
        return {"client-certificate-data": inline(self.crt),
                "client-key-data": inline(self.key)}


class Authority:
    """Makes its CA when the directory has none yet."""
    def __init__(self, base, name="rig-ca"):
        self.dir = pathlib.Path(base)
        self.conf, self.crt = self.dir / "ca.cnf", self.dir / "ca.crt"
        self.numbers = itertools.count(1)
        if self.crt.exists():
            return
        self.dir.mkdir(parents=True, exist_ok=True)
        self.conf.write_text(CONF.format(dir=self.dir))
        (self.dir / "index").write_text("")
        self._request(self.dir / "ca.key", self.crt, f"/CN={name}", "-x509",
                      "-days", 3650, "-extensions", "ca_ext")

    def _request(self, key, out, subject, *more):
        openssl("req", "-config", self.conf, "-new", "-newkey", "ec",
                "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                subject, "-keyout", key, "-out", out, *more)

    def make(self, cn, org="", days=30.0, since=-1.0, server=()):
        """A certificate of a client, or of a server with these names, that
        holds from one day to another, as counted from now."""
        path = self.dir / f"{cn.replace('/', '-')}-{next(self.numbers)}"
        cert = Cert(path.with_suffix(".crt"), path.with_suffix(".key"))
        request, ext = path.with_suffix(".csr"), path.with_suffix(".ext")
        groups = "".join(f"/O={o}" for o in org.split(",") if o)
        self._request(cert.key, request, f"{groups}/CN={cn}")
        if server:
            ext.write_text("extendedKeyUsage = serverAuth\n"
                           f"subjectAltName = {','.join(server)}\n")
        else:
            ext.write_text("extendedKeyUsage = clientAuth\n")
        first = min(since, days - 1)
        openssl("ca", "-config", self.conf, "-batch", "-notext", "-in",
                request, "-out", cert.crt, "-extfile", ext, "-startdate",
                stamp(first), "-enddate", stamp(days))
        return cert


def stamp(days):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
