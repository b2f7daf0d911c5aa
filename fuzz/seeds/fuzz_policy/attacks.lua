policy "1"
local deep = { a = { "b", 3 }, [true] = 1 }
local function f(...) return pcall(f, select("#", ...), ...) end
function on_connect(who, conn)
  for k, v in pairs(deep) do f(k, v) end
  table.sort({ 3, 1, 2 }, function(a, b) return a > b end)
  table.move({ 1 }, 1, 1, 2) table.insert({}, 1, 1) table.remove({ 1 }) table.unpack({ 1 }) table.concat({ "a" }, ",")
  goto done
  ::done::
  return allow { publish = { "a.>", "b.* q" }, subscribe = { allow = { "c w" }, deny = { ">" } }, max_subs = 1, max_payload = 2 }
end
function on_action(who, action, target, conn)
  return deny(("x"):upper() .. tostring(subject_match("a.*", "a.b")) .. tostring(ip_in(conn.ip, { "10.0.0.0/8" })) .. #deep.a, "code")
end
test("t", function(t) t.fails(function() error({}) end) t.denied(on_action({}, "room.create", { mode = "x" })) end)
