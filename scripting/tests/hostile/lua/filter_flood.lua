-- refused: more filters than a script may have.
for n = 1, 100000 do filter("port " .. n % 60000 .. " and less " .. n) end
value = { n = count() }
