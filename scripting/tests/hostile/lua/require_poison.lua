-- refused: a shipped library is changed.
local window = require("window")
window.new = function() end
value = { n = count() }
