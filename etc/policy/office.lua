-- A stricter site: programs only from the machine room, auditors listen only, a name space for
-- sensors, and admins are made at the console.
policy "1"

local machine_room = { "10.80.0.0/16", "2001:db8:80::/48" }
local founders = { alice = true, bob = true }

function on_connect(who, conn)
  if not (conn.tls or conn.loopback) then
    return deny("plain text is for loopback only", "plain-text")
  end
  if who.role == "service" then
    if not (conn.loopback or ip_in(conn.ip, machine_room)) then
      return deny("programs connect from the machine room", "machine-room")
    end
    return allow {
      publish = { "sensors." .. who.handle .. ".>" },
      subscribe = { allow = { "commands." .. who.handle .. ".>" }, deny = { "sensors.>" } },
      max_subs = 100,
      max_payload = 65536,
    }
  end
  if who.role == "auditor" then
    return allow { publish = {}, subscribe = { "sensors.>" } }
  end
  return default()
end

function on_action(who, action, target, conn)
  if starts(action, "identity.") and target.kind == "identity" then
    local makes_admin = action ~= "identity.list" and action ~= "identity.read"
      and (target.role == "admin" or target.role == "operator")
    if makes_admin and not conn.loopback then
      return deny("admins are made at the console", "console-only")
    end
  end
  if action == "room.create" and not founders[who.handle] then
    return deny("only alice and bob found rooms", "founders")
  end
  return default()
end

test("programs come from the machine room", function(t)
  t.allowed(on_connect({ role = "service", handle = "pump" }, { tls = true, ip = "10.80.3.4" }))
  t.allowed(on_connect({ role = "service", handle = "pump" }, { tls = true, ip = "2001:db8:80::7" }))
  t.denied(on_connect({ role = "service", handle = "pump" }, { tls = true, ip = "192.0.2.7" }), "machine room")
end)

test("auditors only listen", function(t)
  t.allowed(on_connect({ role = "auditor" }, { tls = true }))
  t.denied(on_connect({ role = "auditor" }, {}), "plain text")
end)

test("admins are made at the console", function(t)
  t.denied(on_action({ role = "admin" }, "identity.create", { kind = "identity", role = "admin" }), "console")
  t.abstained(on_action({ role = "admin" }, "identity.create", { kind = "identity", role = "member" }))
  t.abstained(on_action({ role = "admin" }, "identity.create", { kind = "identity", role = "admin" },
    { loopback = true }))
  t.abstained(on_action({ role = "member" }, "identity.list", { kind = "identity" }))
end)

test("who founds rooms", function(t)
  t.abstained(on_action({ handle = "alice" }, "room.create", { mode = "sealed" }))
  t.denied(on_action({ handle = "carol" }, "room.create", { mode = "sealed" }), "found rooms")
  t.abstained(on_action({ handle = "carol" }, "room.read", { kind = "room" }))
end)
