-- cpu: an endless loop in check.
value = { n = count() }
function check() while true do end end
