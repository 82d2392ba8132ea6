-- refused: a library called /etc/passwd.
local x = require("/etc/passwd")
value = { n = count() }
