-- Hosts of a list.
local list = io.open("/etc/hosts"):read("*a")
value = { n = count() }
