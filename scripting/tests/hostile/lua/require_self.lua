-- refused: a library called @self/x.
local x = require("@self/x")
value = { n = count() }
