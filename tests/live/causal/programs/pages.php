<?php
// The same pages as pages.c, by php-fpm. The database is asked over PHP's own sockets: extensions are loaded in a way
// (RTLD_DEEPBIND) that leads past every preloaded library.
function said($database): string
{
    for ($values = "";;) {
        $head = fread($database, 5);
        ["length" => $length] = unpack("Nlength", $head, 1);
        for ($body = ""; strlen($body) < $length - 4;) {
            $body .= fread($database, $length - 4 - strlen($body));
        }
        if ($head[0] === "Z") {
            return $values;
        }
        if ($head[0] === "E") {
            throw new RuntimeException($body);
        }
        if ($head[0] === "D") {
            for ($at = 2; $at < strlen($body); $at += 4 + $size) {
                $size = unpack("N", $body, $at)[1];
                $values .= substr($body, $at + 4, $size) . " ";
            }
        }
    }
}

$database = stream_socket_client(getenv("PAGES_DATABASE"));
$start = pack("N", 196608) . "user\0web\0database\0postgres\0\0";
fwrite($database, pack("N", strlen($start) + 4) . $start);
said($database);
[, $kind, $item] = explode("/", $_SERVER["PATH_INFO"]);
$tag = substr($_SERVER["QUERY_STRING"], 4, 8);
$item = (int) $item;
$calls = ["one" => 1, "two" => 2, "some" => 2 + $item % 2, "many" => 4][$kind];
header("Content-Type: text/plain");
for ($i = 0; $i < $calls; $i++) {
    $sleep = $calls > 1 && $i == 0 ? ", pg_sleep(0.00" . (1 + $item % 4) . ")" : "";
    $sql = "SELECT name, '$tag' AS tag FROM item$sleep WHERE id = " . ($item + $i);
    fwrite($database, "Q" . pack("N", strlen($sql) + 5) . $sql . "\0");
    echo said($database), "\n";
}
fwrite($database, "X" . pack("N", 4));
fclose($database);
