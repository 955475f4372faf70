"""What the process beside may use to open one uploaded file, and what is said where that is not enough."""

#: Bytes of memory: enough for a picture of forty million pixels.
MEMORY = 768 * 1024 * 1024
#: Seconds of work, and of waiting for them on a busy machine.
CPU_SECONDS = 30
SECONDS = 120
#: Bytes of a file as it is written anew.
LARGEST_ANSWER = 40 * 1024 * 1024

TOO_MUCH_MEMORY = f"needs more than {MEMORY // 1024 // 1024} MB of memory to be opened; hand in a smaller cut"
TOO_LONG = f"takes longer than {CPU_SECONDS} seconds to be opened; hand in a smaller cut, or print it to a new PDF"
TOO_LARGE = f"is larger than {LARGEST_ANSWER // 1024 // 1024} MB once it is written anew; hand in a smaller cut"
BROKEN = "is broken: the program that opens it gave up; save it again"
