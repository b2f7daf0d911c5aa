-- One node, everything embedded, on loopback.        membershipd -c etc/single.lua
unibus "1"
node    { name = "alpha", state = "local_files" }
posture { require = "enforce" }                 -- refuse to start in anything weaker

module "kv-sqlite"  { file = "unibus.db" }
module "blob-fs"    { dir = "blobs", max_item = "64 MiB" }
module "membership" { kv = "kv-sqlite", blob = "blob-fs" }
module "policy"     { script = "policy/site.lua" }
module "http"       { listen = "127.0.0.1:8470" }
module "nats"       { listen = "127.0.0.1:4250" }
