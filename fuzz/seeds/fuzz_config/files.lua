unibus "1"
include "d"
include "x.lua"
local n = envfile "n.env"
module "b" { text = n.A, path = "q" }
--@d/1.lua
module "a" { number = 3, number = 4 }
--@d/2.lua
include "../x.lua"
--@x.lua
log { level = "info" }
include "x.lua"
--@n.env
A=1
B="2"
