unibus "1"
while true do end
