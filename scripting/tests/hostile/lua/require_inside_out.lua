-- refused: a library called lib/../../m.
local x = require("lib/../../m")
value = { n = count() }
