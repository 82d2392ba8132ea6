-- refused: what lies in a shipped library is changed.
local ewma = require("ewma")
rawset(getmetatable(ewma.new(1)).__index, "add", print)
value = { n = count() }
