import os, sys, zlib
left, unpack, program = int(sys.argv[1]), zlib.decompressobj(31), os.memfd_create("capture")
while left:
    packed = os.read(0, min(left, 65536))
    if not packed:
        sys.exit(90)
    left -= len(packed)
    data = unpack.decompress(packed)
    while data:
        data = data[os.write(program, data):]
os.execv("/proc/self/fd/%d" % program, ["capture"] + sys.argv[2:])
