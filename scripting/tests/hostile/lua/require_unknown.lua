-- refused: a library called os.
local x = require("os")
value = { n = count() }
