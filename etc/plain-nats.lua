-- A plain NATS server with users, nothing of rooms: for programs that have a NATS client and a password, token or nkey.
--   membershipd -c etc/plain-nats.lua     and  nats sub --server nats://alice:…@127.0.0.1:4250 'a.>'
-- Passwords are never in this file: bcrypt hashes are (`unibus passwd` makes one), or files: password = secret "alice.pw"
unibus "1"
node    { name = "plain", state = "local_files" }
posture { require = "enforce" }

module "users" {
  users = {
    -- alice may do everything but $SYS and what belongs to rooms. Her password is "change me": do.
    { user = "alice", bcrypt = "$2b$11$1loERhzHddP2lOyDIF6n2euUOnnmB/LLZ6xx69zvUMqfapOTmcBFW" },

    -- a service: hears orders, shares the work with others of its group, answers each once
    { user = "worker", bcrypt = "$2b$11$BmNWTuY6gJFVS1ebiGztL.2KlLZ9PjSo6/N/7FUW8nkXsHuhouBJq",
      permissions = {
        publish = { allow = { "jobs.done.>" }, deny = { "jobs.done.secret" } },
        subscribe = { allow = { "jobs.status", "jobs.new.> workers" } },
        allow_responses = { max = 1, ttl = "1 min" },
      },
      max_subscriptions = 100, max_payload = "64 KiB" },

    -- { nkey = "U…", role = "service" },                    -- no password at all: the best choice for programs
    -- { token = secret "ci.token", name = "ci" },
  },
}

module "nats" { listen = "127.0.0.1:4250" }
