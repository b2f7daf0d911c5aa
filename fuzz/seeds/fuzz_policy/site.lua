-- What this site allows, beside what membership and users say.   docs/policy.md is the guide.
policy "1"

-- Once per connection. The answer becomes the permissions of the connection; no Lua runs per message.
function on_connect(who, conn)
  if not (conn.tls or conn.loopback) then
    return deny("plain text is for loopback only", "plain-text")
  end
  return default()
end

-- Once per call of the control plane.
function on_action(who, action, target, conn)
  if action == "room.create" and target.mode == "plain" and who.role == "service" then
    return deny("programs found sealed rooms only", "sealed-only")
  end
  return default()
end

test("plain text from elsewhere", function(t)
  t.denied(on_connect({}, { ip = "192.0.2.7" }), "loopback only")
  t.abstained(on_connect({}, { ip = "127.0.0.1", loopback = true }))
  t.abstained(on_connect({}, { ip = "192.0.2.7", tls = true }))
end)

test("plain rooms of programs", function(t)
  t.denied(on_action({ role = "service" }, "room.create", { mode = "plain" }), "sealed")
  t.abstained(on_action({ role = "service" }, "room.create", { mode = "sealed" }))
  t.abstained(on_action({ role = "member" }, "room.create", { mode = "plain" }))
end)
