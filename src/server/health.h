/* The routes about the server itself: health, readiness, metrics, the description of all routes. */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include "server/route.h"

extern const struct route health_routes[]; /* their service is the struct server */

#endif
