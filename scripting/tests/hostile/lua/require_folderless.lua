-- refused: a library called lib/x.
local x = require("lib/x")
value = { n = count() }
