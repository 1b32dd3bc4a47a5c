/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The vocabulary of X11: X Window System Protocol, X Version 11, and the protocol texts of its extensions.
 */
#include "x11.h"

static const char *const requests[128] = {
	[1] = "CreateWindow",
	[2] = "ChangeWindowAttributes",
	[3] = "GetWindowAttributes",
	[4] = "DestroyWindow",
	[5] = "DestroySubwindows",
	[6] = "ChangeSaveSet",
	[7] = "ReparentWindow",
	[8] = "MapWindow",
	[9] = "MapSubwindows",
	[10] = "UnmapWindow",
	[11] = "UnmapSubwindows",
	[12] = "ConfigureWindow",
	[13] = "CirculateWindow",
	[14] = "GetGeometry",
	[15] = "QueryTree",
	[16] = "InternAtom",
	[17] = "GetAtomName",
	[18] = "ChangeProperty",
	[19] = "DeleteProperty",
	[20] = "GetProperty",
	[21] = "ListProperties",
	[22] = "SetSelectionOwner",
	[23] = "GetSelectionOwner",
	[24] = "ConvertSelection",
	[25] = "SendEvent",
	[26] = "GrabPointer",
	[27] = "UngrabPointer",
	[28] = "GrabButton",
	[29] = "UngrabButton",
	[30] = "ChangeActivePointerGrab",
	[31] = "GrabKeyboard",
	[32] = "UngrabKeyboard",
	[33] = "GrabKey",
	[34] = "UngrabKey",
	[35] = "AllowEvents",
	[36] = "GrabServer",
	[37] = "UngrabServer",
	[38] = "QueryPointer",
	[39] = "GetMotionEvents",
	[40] = "TranslateCoordinates",
	[41] = "WarpPointer",
	[42] = "SetInputFocus",
	[43] = "GetInputFocus",
	[44] = "QueryKeymap",
	[45] = "OpenFont",
	[46] = "CloseFont",
	[47] = "QueryFont",
	[48] = "QueryTextExtents",
	[49] = "ListFonts",
	[50] = "ListFontsWithInfo",
	[51] = "SetFontPath",
	[52] = "GetFontPath",
	[53] = "CreatePixmap",
	[54] = "FreePixmap",
	[55] = "CreateGC",
	[56] = "ChangeGC",
	[57] = "CopyGC",
	[58] = "SetDashes",
	[59] = "SetClipRectangles",
	[60] = "FreeGC",
	[61] = "ClearArea",
	[62] = "CopyArea",
	[63] = "CopyPlane",
	[64] = "PolyPoint",
	[65] = "PolyLine",
	[66] = "PolySegment",
	[67] = "PolyRectangle",
	[68] = "PolyArc",
	[69] = "FillPoly",
	[70] = "PolyFillRectangle",
	[71] = "PolyFillArc",
	[72] = "PutImage",
	[73] = "GetImage",
	[74] = "PolyText8",
	[75] = "PolyText16",
	[76] = "ImageText8",
	[77] = "ImageText16",
	[78] = "CreateColormap",
	[79] = "FreeColormap",
	[80] = "CopyColormapAndFree",
	[81] = "InstallColormap",
	[82] = "UninstallColormap",
	[83] = "ListInstalledColormaps",
	[84] = "AllocColor",
	[85] = "AllocNamedColor",
	[86] = "AllocColorCells",
	[87] = "AllocColorPlanes",
	[88] = "FreeColors",
	[89] = "StoreColors",
	[90] = "StoreNamedColor",
	[91] = "QueryColors",
	[92] = "LookupColor",
	[93] = "CreateCursor",
	[94] = "CreateGlyphCursor",
	[95] = "FreeCursor",
	[96] = "RecolorCursor",
	[97] = "QueryBestSize",
	[98] = "QueryExtension",
	[99] = "ListExtensions",
	[100] = "ChangeKeyboardMapping",
	[101] = "GetKeyboardMapping",
	[102] = "ChangeKeyboardControl",
	[103] = "GetKeyboardControl",
	[104] = "Bell",
	[105] = "ChangePointerControl",
	[106] = "GetPointerControl",
	[107] = "SetScreenSaver",
	[108] = "GetScreenSaver",
	[109] = "ChangeHosts",
	[110] = "ListHosts",
	[111] = "SetAccessControl",
	[112] = "SetCloseDownMode",
	[113] = "KillClient",
	[114] = "RotateProperties",
	[115] = "ForceScreenSaver",
	[116] = "SetPointerMapping",
	[117] = "GetPointerMapping",
	[118] = "SetModifierMapping",
	[119] = "GetModifierMapping",
	[127] = "NoOperation",
};

const char *x11_request(uint8_t opcode)
{
	return opcode < X11_EXTENSION ? requests[opcode] : NULL;
}

static bool in_list(const uint8_t *list, size_t count, uint8_t value)
{
	for (size_t at = 0; at < count; at++)
		if (list[at] == value)
			return true;
	return false;
}

bool x11_is_answered(uint8_t opcode)
{
	static const uint8_t answered[] = {3,  14, 15, 16,  17,  20,  21,  23,  26,  31,  38,  39, 40, 43,
									   44, 47, 48, 49,  50,  52,  73,  83,  84,  85,  86,  87, 91, 92,
									   97, 98, 99, 101, 103, 106, 108, 110, 116, 117, 118, 119};
	return in_list(answered, sizeof answered, opcode);
}

const char *x11_event(uint8_t code)
{
	static const char *const names[] = {
		[2] = "KeyPress",          [3] = "KeyRelease",        [4] = "ButtonPress",     [5] = "ButtonRelease",
		[6] = "MotionNotify",      [7] = "EnterNotify",       [8] = "LeaveNotify",     [9] = "FocusIn",
		[10] = "FocusOut",         [11] = "KeymapNotify",     [12] = "Expose",         [13] = "GraphicsExposure",
		[14] = "NoExposure",       [15] = "VisibilityNotify", [16] = "CreateNotify",   [17] = "DestroyNotify",
		[18] = "UnmapNotify",      [19] = "MapNotify",        [20] = "MapRequest",     [21] = "ReparentNotify",
		[22] = "ConfigureNotify",  [23] = "ConfigureRequest", [24] = "GravityNotify",  [25] = "ResizeRequest",
		[26] = "CirculateNotify",  [27] = "CirculateRequest", [28] = "PropertyNotify", [29] = "SelectionClear",
		[30] = "SelectionRequest", [31] = "SelectionNotify",  [32] = "ColormapNotify", [33] = "ClientMessage",
		[34] = "MappingNotify",    [35] = "GenericEvent",
	};
	return code < sizeof names / sizeof *names ? names[code] : NULL;
}

const char *x11_error(uint8_t code)
{
	static const char *const names[] = {
		[1] = "BadRequest",
		[2] = "BadValue",
		[3] = "BadWindow",
		[4] = "BadPixmap",
		[5] = "BadAtom",
		[6] = "BadCursor",
		[7] = "BadFont",
		[8] = "BadMatch",
		[9] = "BadDrawable",
		[10] = "BadAccess",
		[11] = "BadAlloc",
		[12] = "BadColor",
		[13] = "BadGC",
		[14] = "BadIDChoice",
		[15] = "BadName",
		[16] = "BadLength",
		[17] = "BadImplementation",
	};
	return code < sizeof names / sizeof *names ? names[code] : NULL;
}

#define LIST(name, ...) static const uint8_t name[] = {__VA_ARGS__}
LIST(shape, 0, 5, 7, 8);
LIST(shm, 0, 4, 7);
LIST(misc, 0, 1, 2);
LIST(sync_, 0, 1, 5, 10, 13, 18);
LIST(render, 0, 1, 2, 29);
LIST(randr, 0, 2, 5, 6, 8, 9, 10, 11, 15, 16, 20, 21, 22, 23, 25, 27, 28, 29, 31, 32, 33, 36, 37, 41, 42, 45);
LIST(fixes, 0, 4, 19, 24, 25);
LIST(composite, 0, 7);
LIST(test, 0, 1);
LIST(xkb, 0, 4, 6, 8, 10, 12, 13, 15, 17, 19, 21, 22, 23, 24, 101);
LIST(input, 1, 2, 3, 5, 7, 9, 10, 11, 12, 13, 20, 22, 24, 26, 27, 28, 29, 30, 33, 34, 35, 36, 39, 40, 45, 47, 48, 50,
	 51, 54, 56, 59, 60);
LIST(dpms, 0, 1, 2, 7);
LIST(present, 0, 4);
LIST(xinerama, 0, 1, 2, 3, 4, 5);
LIST(saver, 0, 1);
LIST(version, 0);

static const struct x11_extension extensions[] = {
#define E(name, list) {name, list, sizeof list}
	E("SHAPE", shape),          E("MIT-SHM", shm),           E("XC-MISC", misc),
	E("SYNC", sync_),           E("RENDER", render),         E("RANDR", randr),
	E("XFIXES", fixes),         E("Composite", composite),   E("XTEST", test),
	E("XKEYBOARD", xkb),        E("XInputExtension", input), E("DPMS", dpms),
	E("Present", present),      E("XINERAMA", xinerama),     E("MIT-SCREEN-SAVER", saver),
	E("BIG-REQUESTS", version), E("DAMAGE", version),        E("Generic Event Extension", version),
#undef E
};

const struct x11_extension *x11_extension(struct span name)
{
	for (size_t at = 0; at < sizeof extensions / sizeof *extensions; at++)
		if (is_word(name, extensions[at].name))
			return &extensions[at];
	return NULL;
}

bool x11_extension_answers(const struct x11_extension *extension, uint8_t minor)
{
	return extension ? in_list(extension->answered, extension->answers, minor) : !minor;
}
