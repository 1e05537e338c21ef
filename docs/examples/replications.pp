# Storage replications from their manifests: see ../puppet.md.
#
#   puppet apply replications.pp
#
# `state` belongs to the people who fail over. This never takes it back: from
# the moment somebody promotes, uvrfs refuses the older manifest, and the run
# fails with its sentence until the manifest is brought up to date.
#
# FACTER_uvr_root and FACTER_uvr_manifests are for those who keep them elsewhere.

$uvr = $facts['uvr_root'] ? {
  undef   => '/uvr',
  default => $facts['uvr_root'],
}
$manifests = $facts['uvr_manifests'] ? {
  undef   => '/etc/uvrfs/manifests',            # NAMESPACE/NAME.yaml
  default => $facts['uvr_manifests'],
}
$replications = ['database/production-db']

$namespaces = unique($replications.map |$r| { split($r, '/')[0] })

# Not the empty directory below it.
exec { 'uvrfs is not mounted':
  command => 'false',
  unless  => "test -e ${uvr}/.uvrfs/version",
  path    => '/usr/bin:/bin',
}

file { $namespaces.map |$n| { "${uvr}/${n}" }:
  ensure  => directory,
  require => Exec['uvrfs is not mounted'],
}

$replications.each |$r| {
  $dir = "${uvr}/${r}"
  $manifest = file("${manifests}/${r}.yaml")

  file { $dir:
    ensure => directory,
  }

  file { "${dir}/spec.yaml":
    ensure  => file,
    content => $manifest,
  }

  # A file resource only says `Operation not permitted`. Without a dependency
  # on it this runs all the same, and says why.
  exec { "${r} was refused":
    command  => 'cat error; false',
    unless   => "echo '${sha256($manifest)}  spec.yaml' | sha256sum -c --status",
    cwd      => $dir,
    path     => '/usr/bin:/bin',
    provider => shell,
    require  => File[$dir],
  }
}
