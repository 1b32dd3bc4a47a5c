"""Where the build puts libclew.so; clew.native finds it here."""
