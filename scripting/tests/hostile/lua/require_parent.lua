-- refused: a library called ../m.
local x = require("../m")
value = { n = count() }
