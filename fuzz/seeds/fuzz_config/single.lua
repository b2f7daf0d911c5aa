unibus "1"
node    { name = "alpha", state = "local_files" }
posture { require = "enforce" }                 -- refuse to start in anything weaker
local ip = { "10.80.0.1", "10.80.0.2" }
module "kv-sqlite"  { path = "unibus.db", size = "64 MiB", time = "5 min" }
module "http"       { listen = { ip[1] .. ":8470", "[::1]:8470" }, names = { "a", 'b' }, flag = true }
module "nats"       { choice = "bc", state = [[jet/stream]], number = 3, tls = { a = { b = 1 } } }
log { level = "debug" } --[==[ a comment ]==]
