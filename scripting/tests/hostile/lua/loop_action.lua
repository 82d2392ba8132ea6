-- cpu: an endless loop in action.
key = { a = "ip.dst" }
value = { n = count() }
long = { timeout = "9s" }
function action() while true do end end
