unibus "1"
module "a" { service = "b", text = env("X", "y") }
--
a.number=7