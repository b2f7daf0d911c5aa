unibus "1"
local twin = { text = "t", ["in"] = { names = "x" } }
module "users" { list = { { text = "a", number = 3, ["in"] = { names = { "b", "c" } } }, twin,
  { txet = 1 }, { number = 99, text = {} }, { text = { { text = "deep" } } }, "no" },
  numbr = 1, list2 = {}, text = [[ { ]], }
module "others" { list = { text = "x" }, names = { { } } }
a.list[1].text=b
