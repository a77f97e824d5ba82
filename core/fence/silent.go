package fence
