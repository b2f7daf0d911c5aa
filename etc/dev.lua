-- For trying things out: loopback only, the bus without authentication.   membershipd -c etc/dev.lua
-- The control plane still wants signed requests; any NATS client may connect without credentials.
unibus "1"
node    { name = "dev", state = "local_files/dev" }
posture { require = "dev" }                     -- says so in /healthz
log     { level = "debug" }

module "kv-sqlite"  { file = "unibus.db" }
module "blob-fs"    { dir = "blobs" }
module "membership" { kv = "kv-sqlite", blob = "blob-fs" }
module "http"       { listen = "127.0.0.1:8470" }
module "nats"       { listen = "127.0.0.1:4250", auth = "off" }
