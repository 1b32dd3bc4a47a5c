<?php
// The same pages as pages.c, by php-fpm.
$database = pg_connect(getenv("PAGES_DATABASE"), PGSQL_CONNECT_FORCE_NEW);
[, $kind, $item] = explode("/", $_SERVER["PATH_INFO"]);
$tag = substr($_SERVER["QUERY_STRING"], 4, 8);
$item = (int) $item;
$calls = ["one" => 1, "two" => 2, "some" => 2 + $item % 2, "many" => 4][$kind];
header("Content-Type: text/plain");
for ($i = 0; $i < $calls; $i++) {
    if ($i % 2)
        $result = pg_query_params($database, 'SELECT name, $2::text AS tag FROM item WHERE id = $1', [$item + $i, $tag]);
    else
        $result = pg_query($database, "SELECT name, '$tag' AS tag FROM item WHERE id = " . $item + $i);
    echo implode(" ", pg_fetch_row($result)), "\n";
}
pg_close($database);
